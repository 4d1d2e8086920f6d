// The hosts over time: a strip for each, on which its attempts are bars in the colour of their outcome.

/** Bars are as wide as this at least before a gap is left between them. */
const GAP_FROM = 4;

class Timeline {
  constructor(store, onpick) {
    this.store = store;
    this.onpick = onpick;
    this.axis = el("canvas", { class: "strip", "aria-hidden": "true" });
    this.tip = el("div", { class: "tip", role: "tooltip", hidden: true });
    document.body.append(this.tip);
    new ResizeObserver(() => this.drawAxis()).observe(this.axis);
  }

  /** Finds out which attempts ran where and when. */
  prepare() {
    const { attempts, hosts } = this.store;
    const bars = hosts.name.map(() => []);
    let [first, last] = [Infinity, -Infinity];
    const see = (time) => ([first, last] = [Math.min(first, time), Math.max(last, time)]);
    for (let at = 0; at < attempts.host.length; at++) {
      if (attempts.host[at] < 0 || Number.isNaN(attempts.time[at])) continue;
      bars[attempts.host[at]].push(at);
      see(attempts.time[at]);
      see(this.startOf(at));
    }
    hosts.events.forEach((events) => events.forEach((event) => see(event.time)));
    [this.first, this.last] = first <= last ? [first, Math.max(last, first + 1000)] : [0, 1000];
    [this.from, this.to] = [this.first, this.last];
    this.bars = bars.map((of) => of.sort((a, b) => this.startOf(a) - this.startOf(b)));
    this.order = Array.from(hosts.name.keys(), (host) => host);
    this.numbers = this.order.map((host) => this.sum(host));
    const trouble = (host) => this.numbers[host].trouble * 1e6 + this.numbers[host].bad;
    this.order.sort((a, b) => trouble(b) - trouble(a) || (hosts.name[a] < hosts.name[b] ? -1 : 1));
  }

  startOf(at) {
    return this.store.attempts.time[at] - this.store.attempts.took[at];
  }

  sum(host) {
    const { store } = this;
    let [bad, busy] = [0, 0];
    for (const at of this.bars[host]) {
      if (store.attemptStatus[at] <= UNFINISHED) bad++;
      busy += store.attempts.took[at];
    }
    const trouble = store.hosts.events[host].filter((event) => ["lost", "unhealthy", "quarantined"].includes(event.what)).length;
    return { tests: this.bars[host].length, bad, busy, trouble };
  }

  /** The hosts that a filter leaves. */
  filter(matches) {
    const { store } = this;
    this.hosts = this.order.filter((host) => matches(store.hosts.name[host], store.hosts.platform[host]));
    return this.hosts.length;
  }

  make(i, isSelected) {
    const { store } = this;
    const host = this.hosts[i];
    const { tests, bad, busy, trouble } = this.numbers[host];
    const end = store.hosts.events[host].findLast((event) => event.what !== "start");
    const platform = store.hosts.platform[host];
    const strip = el("canvas", { class: "strip", role: "img", "aria-label": `${count(tests, "attempt")}, ${bad} of them bad` });
    strip.addEventListener("mousemove", (event) => this.hover(event, host, strip));
    strip.addEventListener("mouseleave", () => (this.tip.hidden = true));
    strip.addEventListener("click", (event) => this.click(event, host, strip));
    const cell = (name, ...children) => el("span", { role: "gridcell", class: `h-${name}` }, ...children);
    const line = el("div", { role: "row", id: `line-${i}`, class: `line host${isSelected ? " selected" : ""}`, "data-line": i, "aria-rowindex": i + 2, "aria-selected": String(isSelected) },
      cell("host", el("bdi", { class: "name", title: visible(store.hosts.name[host]) }, visible(store.hosts.name[host]))),
      cell("platform", platform < 0 ? "" : visible(store.platforms.all[platform])),
      cell("tests", number(tests)),
      cell("bad", bad ? el("span", { class: "bad" }, number(bad)) : "–"),
      cell("busy", duration(busy)),
      cell("end", end ? el("span", { class: trouble ? "bad" : "", title: visible(end.note ?? "") }, end.what) : ""),
      cell("strip", strip));
    requestAnimationFrame(() => this.draw(strip, host));
    return line;
  }

  /** For each pixel the worst that happened in it. */
  draw(strip, host) {
    const context = this.context(strip);
    if (!context) return;
    const { width, height } = strip;
    const { store } = this;
    const pixels = new Uint8Array(width).fill(255);
    const scale = width / (this.to - this.from);
    for (const at of this.bars[host]) {
      const start = (this.startOf(at) - this.from) * scale;
      const end = (store.attempts.time[at] - this.from) * scale;
      if (end < 0 || start > width) continue;
      const last = end - start >= GAP_FROM ? end - 1 : Math.max(end, start + 1);
      for (let x = Math.max(0, Math.floor(start)); x < Math.min(width, last); x++) {
        if (store.attemptStatus[at] < pixels[x]) pixels[x] = store.attemptStatus[at];
      }
    }
    this.drawStay(context, host, scale, width, height);
    for (let x = 0; x < width; ) {
      const status = pixels[x];
      let end = x + 1;
      while (end < width && pixels[end] === status) end++;
      if (status !== 255) this.drawBar(context, status, x, end - x, height);
      x = end;
    }
    this.drawEnds(context, host, scale, height);
  }

  /** Colour is not all: what failed is a full bar, the rest a lower one. */
  drawBar(context, status, x, width, height) {
    context.fillStyle = this.colours[status];
    const inset = status <= UNFINISHED ? 0.08 : 0.28;
    context.fillRect(x, height * inset, width, height * (1 - 2 * inset));
  }

  /** While it was in the pool. */
  drawStay(context, host, scale, width, height) {
    const events = [...this.store.hosts.events[host]].sort((a, b) => a.time - b.time);
    context.fillStyle = this.colours.stay;
    for (let i = 0; i < events.length; i++) {
      if (events[i].what !== "start") continue;
      const start = (events[i].time - this.from) * scale;
      const next = events.slice(i + 1).find((event) => event.what !== "start");
      const end = next ? (next.time - this.from) * scale : width;
      context.fillRect(start, height * 0.47, end - start, Math.max(1, height * 0.06));
    }
  }

  drawEnds(context, host, scale, height) {
    for (const event of this.store.hosts.events[host]) {
      if (!["lost", "unhealthy", "quarantined"].includes(event.what)) continue;
      const x = (event.time - this.from) * scale;
      const size = height * 0.32;
      context.strokeStyle = this.colours.text;
      context.lineWidth = Math.max(1.5, height / 14);
      context.beginPath();
      for (const slope of [-1, 1]) {
        context.moveTo(x - size, height / 2 - slope * size);
        context.lineTo(x + size, height / 2 + slope * size);
      }
      context.stroke();
    }
  }

  context(canvas) {
    const { clientWidth, clientHeight } = canvas;
    if (!clientWidth) return null;
    const ratio = devicePixelRatio || 1;
    [canvas.width, canvas.height] = [Math.round(clientWidth * ratio), Math.round(clientHeight * ratio)];
    return canvas.getContext("2d");
  }

  /** Colours are the style sheet's, so that they follow light and dark. */
  readColours() {
    const probe = el("span");
    document.body.append(probe);
    const read = (name) => {
      probe.style.color = `var(--${name})`;
      return getComputedStyle(probe).color;
    };
    this.colours = STATUSES.map((status) => read(status));
    Object.assign(this.colours, { stay: read("line-strong"), text: read("text"), muted: read("muted") });
    probe.remove();
  }

  drawAxis() {
    const context = this.from === undefined ? null : this.context(this.axis);
    if (!context) return;
    const { width, height } = this.axis;
    const ratio = devicePixelRatio || 1;
    const step = tickStep((this.to - this.from) / Math.max(2, width / ratio / 90));
    context.font = `${11 * ratio}px system-ui, sans-serif`;
    context.fillStyle = context.strokeStyle = this.colours.muted;
    context.textBaseline = "middle";
    for (let time = Math.ceil(this.from / step) * step; time <= this.to; time += step) {
      const x = ((time - this.from) / (this.to - this.from)) * width;
      context.fillRect(x, height - 5 * ratio, ratio, 5 * ratio);
      const text = step >= 86_400_000 ? moment(time).slice(0, 10) : moment(time).slice(11, step < 60_000 ? 19 : 16);
      if (x + context.measureText(text).width < width) context.fillText(text, x + 3 * ratio, height / 2);
    }
  }

  timeAt(event, strip) {
    const box = strip.getBoundingClientRect();
    return this.from + ((event.clientX - box.left) / box.width) * (this.to - this.from);
  }

  /** The attempt at a place, or the nearest one within some pixels. */
  find(event, host, strip) {
    const time = this.timeAt(event, strip);
    const near = ((this.to - this.from) / strip.clientWidth) * 3;
    let best = null;
    for (const at of this.bars[host]) {
      const start = this.startOf(at);
      if (start > time + near) break;
      const end = this.store.attempts.time[at];
      if (end < time - near) continue;
      const distance = time < start ? start - time : time > end ? time - end : -1;
      if (best === null || distance < best.distance) best = { at, distance };
    }
    return best?.at ?? null;
  }

  hover(event, host, strip) {
    const at = this.find(event, host, strip);
    this.tip.hidden = at === null;
    if (at === null) return;
    const { store } = this;
    const name = visible(store.tests.name[store.attempts.test[at]]);
    this.tip.replaceChildren(statusBadge(store.attemptStatus[at]), el("bdi", {}, name), el("span", { class: "muted" }, `attempt ${store.attempts.number[at]}, ${duration(store.attempts.took[at])}`));
    this.tip.style.left = `${Math.min(event.clientX + 12, innerWidth - this.tip.offsetWidth - 8)}px`;
    this.tip.style.top = `${Math.min(event.clientY + 14, innerHeight - this.tip.offsetHeight - 8)}px`;
  }

  click(event, host, strip) {
    const at = this.find(event, host, strip);
    if (at !== null) this.onpick(at);
  }

  /** Shows `factor` times as much, around a point from 0 to 1. */
  zoom(factor, around = 0.5) {
    const length = Math.min(Math.max((this.to - this.from) * factor, 1000), this.last - this.first);
    const from = this.from + around * (this.to - this.from - length);
    this.move(from, length);
  }

  pan(share) {
    const length = this.to - this.from;
    this.move(this.from + share * length, length);
  }

  move(from, length) {
    this.from = Math.min(Math.max(from, this.first), this.last - length);
    this.to = this.from + length;
    this.drawAxis();
  }
}

/** A round length of time that is no shorter. */
function tickStep(least) {
  const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800];
  const found = steps.find((seconds) => seconds * 1000 >= least);
  return (found ?? Math.ceil(least / 604_800_000) * 604_800) * 1000;
}
