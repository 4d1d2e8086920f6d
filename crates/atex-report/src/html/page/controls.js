// Everything above the list: what the page is about, filters, views, and the dialog that explains them.

const VIEWS = [["tests", "Tests"], ["results", "Results"], ["notes", "Notes"], ["hosts", "Hosts"]];
const SORTS = [["worst", "Worst first"], ["name", "By name"], ["slow", "Slowest first"]];

const KEYS = [
  ["/", "search"],
  ["↑ ↓, j k, Page, Home, End", "move"],
  ["→ ←", "open and close a group; move through time"],
  ["Enter", "details"],
  ["Esc", "close details, or leave the search"],
  ["f", "only what failed, or everything"],
  ["e", "open all groups, or close them"],
  ["1 2 3 4", "tests, results, notes, hosts"],
  ["+ −", "zoom the timeline"],
  ["t", "light, dark, or as the system has it"],
  ["?", "this help"],
];

const QUERY = [
  ["word", "test, subtest, note, host, platform or file contains it"],
  ["\"some words\"", "contains them as they stand"],
  ["-word", "does not contain it"],
  ["note:word", "only notes; also test: subtest: host: platform: file:"],
  ["Word", "with a capital letter: exactly so"],
  [".*", "the whole is one regular expression (JavaScript)"],
];

class Controls {
  constructor(state, onchange) {
    this.state = state;
    this.onchange = onchange;
    this.element = el("header", { class: "top" }, this.bar(), this.statuses(), this.tools());
    this.dialog = this.help();
  }

  change(part) {
    Object.assign(this.state, part);
    this.sync();
    this.onchange();
  }

  bar() {
    const info = el("p", { class: "runs" }, ...META.runs.slice(0, 3).map((run) => this.run(run)));
    if (META.runs.length > 3) info.append(el("span", { class: "muted" }, `and ${count(META.runs.length - 3, "more run")}`));
    this.theme = el("button", { class: "quiet", onclick: () => this.nextTheme() });
    const help = el("button", { class: "quiet", title: "Help (?)", "aria-label": "Help", onclick: () => this.showHelp() }, "?");
    return el("div", { class: "bar" }, el("h1", {}, el("bdi", {}, visible(META.title))), info, el("span", { class: "grow" }), this.theme, help);
  }

  run(run) {
    const parts = [];
    if (run.started !== null) parts.push(`${moment(run.started)} UTC`);
    if (run.seconds !== null) parts.push(`took ${duration(run.seconds * 1000)}`);
    else if (run.started !== null) parts.push("has not ended");
    if (run.busy !== null) parts.push(`hosts ${Math.round(run.busy * 100)} % busy`);
    if (run.unsettled) parts.push(`${number(run.unsettled)} not run`);
    return el("span", { class: run.ended === null || run.unsettled ? "warn" : "", title: visible(run.note ?? run.dir ?? "") }, parts.join(" · "));
  }

  statuses() {
    this.chips = STATUSES.map((status, i) => {
      const amount = el("b", {}, "0");
      const chip = el("button", { class: `chip s-${status}`, "aria-pressed": "false", onclick: () => this.toggleStatus(i), title: `Only ${status}` },
        el("span", { class: "mark", "aria-hidden": "true" }, MARKS[i]), amount, ` ${status}`);
      return { chip, amount };
    });
    this.proportion = el("div", { class: "proportion", "aria-hidden": "true" });
    this.all = el("button", { class: "chip", "aria-pressed": "true", onclick: () => this.change({ statuses: new Set() }) }, "all");
    this.flakyAmount = el("b", {}, "0");
    this.flaky = el("button", { class: "chip s-warn", "aria-pressed": "false", onclick: () => this.change({ flaky: !this.state.flaky }), title: "Only tests that passed when they were tried again" },
      el("span", { class: "mark", "aria-hidden": "true" }, "↻"), this.flakyAmount, " flaky");
    const group = el("div", { class: "chips", role: "group", "aria-label": "Statuses" }, this.all, ...this.chips.map(({ chip }) => chip), this.flaky);
    return el("div", { class: "statuses" }, this.proportion, group);
  }

  toggleStatus(status) {
    const statuses = new Set(this.state.statuses);
    if (!statuses.delete(status)) statuses.add(status);
    this.change({ statuses });
  }

  tools() {
    this.tabs = VIEWS.map(([view, title], i) =>
      el("button", { role: "tab", "data-view": view, title: `${title} (${i + 1})`, onclick: () => this.change({ view }) }, title));
    this.input = el("input", { type: "search", placeholder: "Search  /", "aria-label": "Search", spellcheck: "false", autocomplete: "off", oninput: () => this.change({ text: this.input.value }) });
    this.regex = el("button", { class: "toggle mono", title: "Regular expression", "aria-label": "Regular expression", onclick: () => this.change({ regex: !this.state.regex }) }, ".*");
    this.platformBox = el("details", { class: "menu", hidden: true }, el("summary", {}, "Platforms"), el("div", { class: "menu-body" }));
    this.sort = el("select", { "aria-label": "Order", onchange: () => this.change({ sort: this.sort.value }) }, ...SORTS.map(([value, title]) => el("option", { value }, title)));
    this.earlier = this.checkbox("earlier", "earlier attempts", "Also results of attempts that were tried again");
    this.alike = this.checkbox("alike", "ignore numbers", "Notes that differ only in numbers are one group");
    this.zooms = el("span", { class: "zooms" }, ...[["−", 2, "Zoom out (−)"], ["+", 0.5, "Zoom in (+)"]].map(([text, factor, title]) =>
      el("button", { class: "toggle", title, "aria-label": title, onclick: () => this.onzoom(factor) }, text)));
    this.found = el("output", { class: "found", "aria-live": "polite" });
    this.error = el("span", { class: "error", role: "alert" });
    return el("div", { class: "tools" },
      el("div", { class: "tabs", role: "tablist", "aria-label": "View" }, ...this.tabs),
      el("span", { class: "searchbox" }, this.input, this.regex), this.platformBox, this.sort, this.earlier, this.alike, this.zooms, this.error, this.found);
  }

  checkbox(key, text, title) {
    const box = el("input", { type: "checkbox", onchange: () => this.change({ [key]: box.checked }) });
    return el("label", { class: "check", title, "data-key": key }, box, text);
  }

  /** The menu of platforms, of which there are more than one. */
  platforms(names, counts) {
    const items = names.map((name, i) => {
      const box = el("input", { type: "checkbox", "data-platform": name, onchange: () => this.choosePlatforms() });
      return el("label", {}, box, el("bdi", {}, visible(name)), el("span", { class: "muted" }, number(counts[i])));
    });
    this.platformBox.hidden = names.length < 2;
    this.platformBox.lastElementChild.replaceChildren(...items);
    this.sync();
  }

  platformBoxes() {
    return [...this.platformBox.querySelectorAll("input")];
  }

  choosePlatforms() {
    this.change({ platforms: new Set(this.platformBoxes().filter((box) => box.checked).map((box) => box.dataset.platform)) });
  }

  /** Shows how many there are of each status, of tests or of results. */
  counts(counts, flaky) {
    this.flakyAmount.textContent = number(flaky);
    this.flaky.hidden = flaky === 0 && !this.state.flaky;
    const total = counts.reduce((sum, n) => sum + n, 0);
    this.proportion.replaceChildren(...counts.flatMap((n, i) => (n ? [el("i", { class: `s-${STATUSES[i]}`, style: `flex-grow:${n / total}` })] : [])));
    counts.forEach((n, i) => {
      const { chip, amount } = this.chips[i];
      amount.textContent = number(n);
      chip.hidden = n === 0 && !this.state.statuses.has(i);
    });
  }

  /** Makes the controls say what the state is. */
  sync() {
    const { state } = this;
    this.all.setAttribute("aria-pressed", String(state.statuses.size === 0));
    this.chips.forEach(({ chip }, i) => chip.setAttribute("aria-pressed", String(state.statuses.has(i))));
    this.flaky.setAttribute("aria-pressed", String(state.flaky));
    this.tabs.forEach((tab) => tab.setAttribute("aria-selected", String(tab.dataset.view === state.view)));
    if (this.input.value !== state.text) this.input.value = state.text;
    this.regex.setAttribute("aria-pressed", String(state.regex));
    this.sort.value = state.sort;
    this.earlier.firstElementChild.checked = state.earlier;
    this.alike.firstElementChild.checked = state.alike;
    this.platformBoxes().forEach((box) => (box.checked = state.platforms.has(box.dataset.platform)));
    this.platformBox.firstElementChild.textContent = state.platforms.size ? `Platforms: ${state.platforms.size}` : "Platforms";
    const isHosts = state.view === "hosts";
    this.alike.hidden = state.view !== "notes";
    this.earlier.hidden = this.sort.hidden = isHosts;
    this.zooms.hidden = !isHosts;
    this.element.querySelector(".statuses").hidden = isHosts;
    document.documentElement.dataset.theme = state.theme;
    this.theme.textContent = { auto: "◐", light: "☀", dark: "☾" }[state.theme];
    this.theme.title = `Colours: ${state.theme} (t)`;
    this.theme.setAttribute("aria-label", this.theme.title);
  }

  nextTheme() {
    const isDark = matchMedia("(prefers-color-scheme: dark)").matches;
    const order = isDark ? ["auto", "light", "dark"] : ["auto", "dark", "light"];
    this.change({ theme: order[(order.indexOf(this.state.theme) + 1) % 3] });
  }

  help() {
    const table = (rows) => el("table", {}, el("tbody", {}, ...rows.map(([key, text]) => el("tr", {}, el("th", { scope: "row" }, el("kbd", {}, key)), el("td", {}, text)))));
    const close = el("button", { onclick: () => this.dialog.close() }, "Close");
    return el("dialog", { class: "help", "aria-label": "Help" }, el("h2", {}, "Keys"), table(KEYS), el("h2", {}, "Search"), table(QUERY), close);
  }

  showHelp() {
    if (!this.dialog.open) this.dialog.showModal();
  }
}
