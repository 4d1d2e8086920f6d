// A list of any number of lines, of which only those in sight exist as elements.

/** Browsers give up on elements that are some ten million pixels high. */
const TALLEST = 8_000_000;

class VirtualList {
  /**
   * @param box the element that scrolls
   * @param render makes the element of line `i`
   */
  constructor(box, render) {
    this.box = box;
    this.render = render;
    this.length = 0;
    this.top = 0;
    this.drawn = new Map();
    this.space = el("div", { class: "space", role: "presentation" });
    box.append(this.space);
    box.addEventListener("scroll", () => this.scrolled(), { passive: true });
    box.addEventListener("scrollend", () => this.settle());
    new ResizeObserver(() => this.resize()).observe(box);
    this.lastScroll = 0;
  }

  get line() {
    return parseFloat(getComputedStyle(this.box).getPropertyValue("--line")) || 30;
  }

  get header() {
    return this.space.offsetTop;
  }

  get height() {
    return Math.max(0, this.box.clientHeight - this.header);
  }

  get farthest() {
    return Math.max(0, this.length * this.lineHeight - this.height);
  }

  /** How far the box can scroll, which is less than the lines are high if they are too many. */
  get farthestScroll() {
    return Math.max(0, Math.min(this.length * this.lineHeight, TALLEST) - this.height);
  }

  /** New lines; keeps the place if it can. */
  reset(length) {
    this.length = length;
    this.resize();
  }

  resize() {
    this.lineHeight = this.line;
    this.space.style.height = `${Math.min(this.length * this.lineHeight, TALLEST)}px`;
    this.moveTo(this.top);
  }

  /** Draws everything anew. */
  redraw() {
    this.space.replaceChildren();
    this.drawn.clear();
    this.draw();
  }

  moveTo(top) {
    this.top = Math.min(Math.max(0, top), this.farthest);
    this.settle();
    this.redraw();
  }

  /** Puts the scroll bar where it belongs. */
  settle() {
    const at = this.farthest > 0 ? Math.round((this.top / this.farthest) * this.farthestScroll) : 0;
    if (Math.abs(this.box.scrollTop - at) >= 1) this.box.scrollTop = at;
    this.lastScroll = this.box.scrollTop;
    this.draw();
  }

  /** A wheel moves lines by pixels; a drag of the scroll bar moves through all of them. */
  scrolled() {
    const at = this.box.scrollTop;
    const step = at - this.lastScroll;
    this.lastScroll = at;
    if (step === 0) return;
    const { farthest, farthestScroll } = this;
    const isWhole = farthest === farthestScroll || Math.abs(step) > 2 * this.height || at === 0 || at >= farthestScroll - 1;
    this.top = isWhole ? (farthestScroll > 0 ? (at / farthestScroll) * farthest : 0) : Math.min(Math.max(0, this.top + step), farthest);
    this.draw();
  }

  /** Scrolls until a line is in sight. */
  show(i) {
    const start = i * this.lineHeight;
    if (start < this.top) this.moveTo(start);
    else if (start + this.lineHeight > this.top + this.height) this.moveTo(start + this.lineHeight - this.height);
    else this.draw();
  }

  draw() {
    const first = Math.max(0, Math.floor(this.top / this.lineHeight) - 2);
    const last = Math.min(this.length, Math.ceil((this.top + this.height) / this.lineHeight) + 2);
    for (const [i, element] of this.drawn) {
      if (i < first || i >= last) {
        element.remove();
        this.drawn.delete(i);
      }
    }
    // The scroll bar stands for more than the space is high.
    const shift = this.box.scrollTop - this.top;
    for (let i = first; i < last; i++) {
      let element = this.drawn.get(i);
      if (!element) {
        element = this.render(i);
        this.drawn.set(i, element);
        this.space.append(element);
      }
      element.style.transform = `translateY(${i * this.lineHeight + shift}px)`;
    }
  }

  /** How many lines fit. */
  get page() {
    return Math.max(1, Math.floor(this.height / this.lineHeight) - 1);
  }
}
