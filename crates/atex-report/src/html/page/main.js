// Reads the chunks, and puts the parts together.

/** What the address after # can say, so that a view can be kept and sent. */
function readState() {
  const words = new URLSearchParams(location.hash.slice(1));
  const list = (key) => (words.get(key) ?? "").split(",").filter((word) => word !== "");
  const of = (key, known, otherwise) => (known.some(([value]) => value === words.get(key)) ? words.get(key) : otherwise);
  return {
    view: of("view", VIEWS, "tests"),
    sort: of("sort", SORTS, "worst"),
    text: words.get("q") ?? "",
    regex: words.get("regex") === "1",
    earlier: words.get("earlier") === "1",
    alike: words.get("alike") === "1",
    flaky: words.get("flaky") === "1",
    statuses: new Set(list("status").map((word) => STATUSES.indexOf(word)).filter((status) => status >= 0)),
    platforms: new Set(words.getAll("platform")),
    theme: storedTheme(),
  };
}

function writeState(state) {
  const words = new URLSearchParams();
  if (state.view !== "tests") words.set("view", state.view);
  if (state.sort !== "worst") words.set("sort", state.sort);
  if (state.text !== "") words.set("q", state.text);
  for (const key of ["regex", "earlier", "alike", "flaky"]) if (state[key]) words.set(key, "1");
  if (state.statuses.size) words.set("status", [...state.statuses].map((status) => STATUSES[status]).join(","));
  for (const platform of state.platforms) words.append("platform", platform);
  const hash = words.toString();
  try {
    history.replaceState(null, "", hash === "" ? location.pathname + location.search : `#${hash}`);
    localStorage.setItem("atex-theme", state.theme);
  } catch {
    // Pages from disk may have neither in some browsers; nothing depends on it.
  }
}

function storedTheme() {
  try {
    const theme = localStorage.getItem("atex-theme");
    return ["light", "dark"].includes(theme) ? theme : "auto";
  } catch {
    return "auto";
  }
}

const LABELS = { status: "Status", test: "Test", note: "Note", platform: "Platform", host: "Host", took: "Took", files: "Files" };
const HOST_LABELS = { host: "Host", platform: "Platform", tests: "Tests", bad: "Bad", busy: "Busy", end: "End" };

class App {
  constructor() {
    this.store = new Store();
    this.state = readState();
    this.selected = null;
    this.controls = new Controls(this.state, () => this.refresh());
    this.controls.onzoom = (factor) => this.zoom(factor);
    this.rows = new Rows(this.store);
    this.details = new Details(this.store, (test) => this.goToTest(test));
    this.details.onclose = () => this.closeDetails();
    this.timeline = new Timeline(this.store, (at) => this.showAttempt(at));
    this.head = el("div", { class: "line labels", role: "row" });
    this.box = el("div", { class: "list", role: "treegrid", tabindex: "0", "aria-label": "Results", "aria-rowcount": "0" }, this.head);
    this.empty = el("p", { class: "empty", hidden: true }, "Nothing matches.");
    this.list = new VirtualList(this.box, (i) => this.make(i));
    this.progress = el("footer", { class: "progress", role: "status" });
    this.box.addEventListener("click", (event) => this.click(event));
    this.box.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    document.addEventListener("keydown", (event) => this.key(event));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.refreshColours());
    document.getElementById("app").append(
      this.controls.element, el("div", { class: "body" }, el("div", { class: "list-box" }, this.box, this.empty), this.details.element), this.progress, this.controls.dialog);
    document.body.classList.add("scripted");
  }

  /** Reads all chunks, the failures first; shows what there is after the first one, and twice a second. */
  async load() {
    const nodes = [...document.querySelectorAll("script[data-kind]")];
    let shown = -Infinity;
    // The next chunk is unpacked, by another thread, while one is read.
    let next = nodes.length ? unpack(nodes[0].textContent) : null;
    for (let i = 0; i < nodes.length; i++) {
      const bytes = await next;
      const { kind } = nodes[i].dataset;
      nodes[i].remove();
      next = i + 1 < nodes.length ? unpack(nodes[i + 1].textContent) : null;
      this.store.add(kind, bytes);
      if (performance.now() - shown > 500 && i + 1 < nodes.length) {
        // Each time costs more than before; so there are fewer of them.
        const before = performance.now();
        this.settle();
        this.progress.textContent = `Reading: ${Math.round((100 * (i + 1)) / nodes.length)} %`;
        performance.mark("atex-first-rows");
        shown = performance.now() + 2 * (performance.now() - before);
        await new Promise((resume) => setTimeout(resume));
      }
    }
    this.settle();
    this.progress.remove();
    this.isLoaded = true;
    performance.mark("atex-loaded");
  }

  settle() {
    const { store } = this;
    store.settle();
    const sizes = new Array(store.platforms.all.length).fill(0);
    for (const platform of store.tests.platform) sizes[platform]++;
    this.controls.platforms(store.platforms.all, sizes);
    this.timeline.isPrepared = false;
    this.flakyTests = store.isFlaky.reduce((sum, is) => sum + is, 0);
    this.refresh();
  }

  /** Computes the lines anew. */
  refresh() {
    const begin = performance.now();
    const { state, controls } = this;
    writeState(state);
    controls.sync();
    controls.error.textContent = "";
    let search;
    try {
      search = new Search(this.store, parseQuery(state.text, state.regex));
    } catch (error) {
      controls.error.textContent = error.message;
      return;
    }
    if (state.view === "hosts") this.showHosts();
    else this.showLines(search);
    performance.measure("atex-filter", { start: begin, end: performance.now() });
  }

  showLines(search) {
    const { store, state } = this;
    const rows = this.matching(search);
    const kept = this.selectedNumber();
    const expanded = this.lines?.view === state.view && this.lines.alike === state.alike ? this.lines.expanded : null;
    this.lines = new Lines(store, state, rows);
    this.lines.alike = state.alike;
    if (expanded?.size) {
      const groups = new Set(this.lines.order);
      this.lines.expanded = new Set([...expanded].filter((group) => groups.has(group)));
      this.lines.list();
    }
    this.controls.counts(this.countStatuses(rows), this.flakyTests);
    const noun = { tests: "test", results: "result", notes: "result" }[state.view];
    const groups = state.view === "notes" ? ` in ${count(this.lines.order.length, "note")}` : "";
    this.controls.found.textContent = count(this.lines.rows, noun) + groups;
    this.labels(state.view === "notes" ? { ...LABELS, test: "Note, and its results", note: "" } : LABELS, "c");
    this.setLength(this.lines.length);
    this.restore(kept);
  }

  matching(search) {
    const { store, state } = this;
    const order = store.order(state.earlier);
    const matches = search.terms.length ? search.run() : null;
    const names = store.platforms.all;
    const isWanted = state.platforms.size ? names.map((name) => state.platforms.has(name)) : null;
    if (!matches && !isWanted && !state.flaky) return order;
    const { platform } = store.tests;
    const { test } = store.attempts;
    const found = new Uint32Array(order.length);
    let size = 0;
    // There are a million of them: no function is called for one that does not match.
    for (let i = 0; i < order.length; i++) {
      const row = order[i];
      if (matches) {
        if (row >= OWN ? !matches.own.has(row - OWN) : !matches.masks[row >>> ROW_BITS]?.[row & ROW_MASK]) continue;
      }
      if (isWanted || state.flaky) {
        const of = test[store.attemptOf(row)];
        if ((isWanted && !isWanted[platform[of]]) || (state.flaky && !store.isFlaky[of])) continue;
      }
      found[size++] = row;
    }
    return found.slice(0, size);
  }

  /** How many of what is listed have which status, whichever of them are shown. */
  countStatuses(rows) {
    const { store } = this;
    const counts = STATUSES.map(() => 0);
    if (this.state.view === "tests") for (const test of this.lines.groups.seen) counts[store.testStatus[test]]++;
    else for (let i = 0; i < rows.length; i++) counts[store.statusOf(rows[i])]++;
    return counts;
  }

  showHosts() {
    const { timeline, store, state } = this;
    if (!timeline.isPrepared) {
      timeline.readColours();
      timeline.prepare();
      timeline.isPrepared = true;
    }
    const terms = parseQuery(state.text, state.regex);
    const search = new Search(store, terms);
    const length = timeline.filter((name, platform) => {
      if (state.platforms.size && !state.platforms.has(store.platforms.all[platform])) return false;
      return search.matches(search.ofText(name, "host") | (platform < 0 ? 0 : search.ofText(store.platforms.all[platform], "platform")));
    });
    this.controls.found.textContent = count(length, "host");
    this.labels(HOST_LABELS, "h", el("span", { role: "columnheader", class: "h-strip" }, timeline.axis));
    this.setLength(length);
    timeline.drawAxis();
  }

  labels(labels, prefix, ...more) {
    const cells = Object.entries(labels).map(([key, text]) => el("span", { role: "columnheader", class: `${prefix}-${key}` }, text));
    this.head.classList.toggle("host", prefix === "h");
    this.head.replaceChildren(...cells, ...more);
  }

  setLength(length) {
    this.box.setAttribute("aria-rowcount", String(length + 1));
    this.empty.hidden = length > 0;
    if (this.selected !== null && this.selected >= length) this.selected = null;
    this.list.reset(length);
  }

  make(i) {
    const isSelected = i === this.selected;
    return this.state.view === "hosts" ? this.timeline.make(i, isSelected) : this.rows.make(this.lines, i, isSelected);
  }

  /** What is selected, as it is known across filters. */
  selectedNumber() {
    return this.selected !== null && this.lines && this.state.view === this.lines.view ? this.lines.numbers[this.selected] : undefined;
  }

  restore(kept) {
    const at = kept === undefined ? -1 : this.lines.find(kept);
    this.selected = at < 0 ? null : at;
    if (at < 0) {
      this.box.removeAttribute("aria-activedescendant");
      this.details.hide();
      this.list.moveTo(0);
    } else {
      this.select(at);
    }
  }

  select(i) {
    this.selected = i;
    this.list.redraw();
    this.list.show(i);
    this.box.setAttribute("aria-activedescendant", `line-${i}`);
    if (!this.details.element.hidden) this.openDetails();
  }

  openDetails() {
    if (this.selected === null || this.state.view === "hosts") return;
    this.details.show(this.lines, this.selected);
  }

  closeDetails() {
    this.details.hide();
    this.box.focus();
  }

  showAttempt(at) {
    const row = this.store.row(OWN + at);
    this.details.element.hidden = false;
    this.details.body.replaceChildren(...this.details.ofResult(row, false));
  }

  /** Shows a test in the list of tests, whatever was filtered before. */
  goToTest(test) {
    this.controls.change({ view: "tests", statuses: new Set(), platforms: new Set(), text: "", regex: false, flaky: false });
    const at = this.lines.find(HEADING + test);
    if (at >= 0) {
      this.select(at);
      this.openDetails();
    }
  }

  click(event) {
    const line = event.target.closest(".line[data-line]");
    if (!line || event.target.closest("a, canvas")) return;
    const i = Number(line.dataset.line);
    if (event.target.closest(".expander.can")) return this.toggle(i);
    this.select(i);
    this.openDetails();
  }

  toggle(i, open) {
    if (this.state.view === "hosts") return;
    const { group } = this.lines.at(i);
    if (group === undefined || open === this.lines.expanded.has(group)) return;
    this.lines.toggle(group, open);
    this.setLength(this.lines.length);
    this.select(i);
  }

  toggleAll() {
    const { lines } = this;
    if (!lines?.groups || this.state.view === "hosts") return;
    const kept = this.selectedNumber();
    const open = lines.expanded.size === 0;
    lines.expanded = open ? new Set(lines.order.filter((group) => lines.canExpand(group))) : new Set();
    lines.list();
    this.setLength(lines.length);
    this.restore(kept);
  }

  zoom(factor, around) {
    this.timeline.zoom(factor, around);
    this.list.redraw();
  }

  wheel(event) {
    if (this.state.view !== "hosts" || !(event.ctrlKey || event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY))) return;
    event.preventDefault();
    const strip = event.target.closest("canvas");
    const box = (strip ?? this.timeline.axis).getBoundingClientRect();
    if (event.ctrlKey) this.zoom(event.deltaY > 0 ? 1.25 : 0.8, Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1));
    else {
      this.timeline.pan((event.deltaX || event.deltaY) / Math.max(1, box.width));
      this.list.redraw();
    }
  }

  refreshColours() {
    this.timeline.isPrepared = false;
    this.refresh();
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || this.controls.dialog.open) return;
    const { target } = event;
    if (target.matches?.("input[type=search], select, summary")) {
      if (event.key === "Escape" && target === this.controls.input) this.box.focus();
      if ((event.key === "ArrowDown" || event.key === "Enter") && target === this.controls.input) this.enterList(event);
      return;
    }
    if (event.key === "Enter" && target.matches?.("button, a")) return;
    const action = this.actions()[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  }

  enterList(event) {
    event.preventDefault();
    this.box.focus();
    if (this.list.length > 0 && this.selected === null) this.select(0);
  }

  actions() {
    const move = (step) => () => this.moveBy(step);
    const isHosts = this.state.view === "hosts";
    const sideways = (open, share) => () => {
      if (!isHosts) return this.selected !== null && this.toggle(this.selected, open);
      this.timeline.pan(share);
      this.list.redraw();
    };
    const view = (name) => () => this.controls.change({ view: name });
    return {
      "/": () => this.controls.input.focus(),
      "?": () => this.controls.showHelp(),
      ArrowDown: move(1), j: move(1), ArrowUp: move(-1), k: move(-1),
      PageDown: () => this.moveBy(this.list.page), PageUp: () => this.moveBy(-this.list.page),
      Home: move(-Infinity), End: move(Infinity),
      ArrowRight: sideways(true, 0.2), ArrowLeft: sideways(false, -0.2),
      Enter: () => this.openDetails(),
      Escape: () => this.closeDetails(),
      f: () => this.toggleFailures(),
      e: () => this.toggleAll(),
      t: () => this.nextTheme(),
      "+": () => isHosts && this.zoom(0.5), "-": () => isHosts && this.zoom(2),
      ...Object.fromEntries(VIEWS.map(([name], i) => [String(i + 1), view(name)])),
    };
  }

  moveBy(step) {
    if (this.list.length === 0) return;
    const from = this.selected ?? (step > 0 && Number.isFinite(step) ? -1 : 0);
    this.select(Math.min(Math.max(from + step, 0), this.list.length - 1));
    if (document.activeElement !== this.box) this.box.focus();
  }

  toggleFailures() {
    const bad = STATUSES.map((_, i) => i).filter((i) => i <= UNFINISHED);
    this.controls.change({ statuses: this.state.statuses.size ? new Set() : new Set(bad) });
  }

  nextTheme() {
    this.controls.nextTheme();
    this.refreshColours();
  }
}

async function start() {
  if (typeof DecompressionStream === "undefined") {
    const text = "This browser is too old to unpack the full list (it has no DecompressionStream); these are the failures.";
    document.getElementById("plain").prepend(el("p", { class: "notice" }, text));
    return;
  }
  const app = new App();
  try {
    await app.load();
  } catch (error) {
    // What was read stays; a page that was cut says so.
    app.progress.textContent = `This page is damaged, and not all of it could be read: ${error.message}`;
    app.progress.classList.add("error");
    document.getElementById("app").append(app.progress);
    app.settle();
  }
}

if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
else start();
