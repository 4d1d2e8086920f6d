// The panel beside the list: everything about the selected line.

/** So many results, files or tests are listed; more of them are counted. */
const MOST_LISTED = 200;

class Details {
  constructor(store, go) {
    this.store = store;
    this.go = go;
    this.body = el("div", { class: "details-body" });
    const close = el("button", { class: "quiet", title: "Close (Esc)", "aria-label": "Close details", onclick: () => this.onclose() }, "✕");
    this.element = el("aside", { class: "details", "aria-label": "Details", hidden: true }, close, this.body);
  }

  hide() {
    this.element.hidden = true;
  }

  show(lines, i) {
    const { group, row } = lines.at(i);
    this.element.hidden = false;
    const isNote = group !== undefined && lines.view === "notes";
    const parts = isNote ? this.ofNote(lines, group) : this.ofResult(this.store.row(row ?? lines.lead(group)), group !== undefined);
    this.body.replaceChildren(...parts);
    this.body.scrollTop = 0;
  }

  ofNote(lines, group) {
    const rows = lines.rowsOf(group);
    const byTest = new Names();
    for (const row of rows.subarray(0, 10_000)) byTest.number(this.store.attempts.test[this.store.attemptOf(row)]);
    const items = byTest.all.slice(0, MOST_LISTED).map((test) => this.testButton(test));
    return [
      el("h2", {}, count(rows.length, "result"), " with this note"),
      el("pre", { class: "note" }, visibleBlock(lines.titles[group])),
      el("h3", {}, "Tests"),
      el("ul", { class: "plain-list" }, ...items),
    ];
  }

  testButton(test) {
    const { store } = this;
    const platform = store.platforms.all[store.tests.platform[test]];
    const button = el("button", { class: "link", onclick: () => this.go(test) }, visible(store.tests.name[test]));
    return el("li", {}, statusBadge(store.testStatus[test]), el("span", { class: "muted" }, visible(platform)), button);
  }

  /** A result, or the test as a whole, of which it is the one that says most. */
  ofResult(row, isTest) {
    const { store } = this;
    const status = isTest ? statusBadge(store.testStatus[row.test]) : statusBadge(row.status, row.word);
    const name = store.tests.name[row.test];
    const title = el("h2", {}, el("bdi", {}, visible(name)));
    const copy = el("button", { class: "quiet copy", title: "Copy the name", onclick: () => navigator.clipboard?.writeText(name) }, "copy");
    const parts = [el("p", { class: "head" }, status, store.isFlaky[row.test] ? el("span", { class: "tag flaky" }, "flaky") : null, copy), title];
    if (row.subtest !== "") parts.push(el("p", { class: "subtest" }, el("bdi", {}, visible(row.subtest))));
    parts.push(...this.notes(row), this.facts(row), ...this.files(row), ...this.extra(row));
    parts.push(...this.attempts(row), ...this.elsewhere(row.test));
    return parts;
  }

  notes(row) {
    const ofAttempt = this.store.attempts.note[row.attempt];
    const notes = [...new Set([row.note, ofAttempt])].filter((note) => note !== "");
    return notes.map((note) => el("pre", { class: "note", dir: "auto" }, visibleBlock(note)));
  }

  facts(row) {
    const { store } = this;
    const { attempts, tests, hosts } = store;
    const at = row.attempt;
    const host = attempts.host[at];
    const list = el("dl", {});
    const add = (name, value) => value !== "" && list.append(el("dt", {}, name), el("dd", {}, value));
    add("Platform", visible(store.platforms.all[tests.platform[row.test]]));
    add("Host", host < 0 ? "" : visible(hosts.name[host]));
    add("Attempt", attempts.number[at] > 0 ? `${attempts.number[at]} of ${store.testTries[row.test]}` : "none was made");
    if (attempts.state[at] & HAS_ENDED) {
      add("Ended", `${moment(attempts.time[at])} UTC`);
      add("Took", duration(attempts.took[at]));
      add("Ended by", CAUSES[attempts.cause[at]] ?? "");
      if (attempts.state[at] & HAS_EXIT) add("Exit status", String(attempts.exit[at]));
    } else if (!Number.isNaN(attempts.time[at])) {
      add("Began", `${moment(attempts.time[at])} UTC`);
    }
    if (store.runs.all.length > 1) add("Run", visible(store.runs.all[tests.run[row.test]]));
    return list;
  }

  files(row) {
    const place = this.store.place(row.attempt);
    const items = row.files.slice(0, MOST_LISTED).map((file) => el("li", {}, fileLink(place, row.subtest, file)));
    if (row.files.length > MOST_LISTED) items.push(el("li", { class: "muted" }, `${row.files.length - MOST_LISTED} more`));
    if (place !== "") items.push(el("li", {}, el("a", { href: directoryAddress(place) }, "all files of the attempt")));
    return items.length ? [el("h3", {}, "Files"), el("ul", { class: "plain-list" }, ...items)] : [];
  }

  /** Keys of the test's own, and why it is waived. */
  extra(row) {
    const waived = row.waived === "" ? [] : [el("h3", {}, "Waived"), el("pre", {}, indented(row.waived))];
    return row.extra === "" ? waived : [...waived, el("h3", {}, "Keys of the test's own"), el("pre", {}, indented(row.extra))];
  }

  attempts(row) {
    const { store } = this;
    const all = store.attemptsOf(row.test);
    if (all.length < 2) return [];
    const lines = all.map((at) => {
      const host = store.attempts.host[at];
      const place = store.place(at);
      const note = store.attempts.note[at];
      return el("tr", { class: at === row.attempt ? "current" : null },
        el("td", { class: "num" }, String(store.attempts.number[at])),
        el("td", {}, statusBadge(store.attemptStatus[at])),
        el("td", {}, host < 0 ? "" : visible(store.hosts.name[host])),
        el("td", { class: "num" }, store.attempts.state[at] & HAS_ENDED ? duration(store.attempts.took[at]) : ""),
        el("td", {}, el("bdi", {}, visible(note)), " ", place === "" ? null : el("a", { href: directoryAddress(place) }, "files")));
    });
    return [el("h3", {}, "Attempts"), el("table", { class: "attempts" }, el("tbody", {}, ...lines))];
  }

  /** What became of the same test on other platforms and in other runs. */
  elsewhere(test) {
    const { tests } = this.store;
    const others = [];
    for (const names of Object.values(tests.byPlace)) {
      const other = names.get(tests.name[test]);
      if (other !== undefined && other !== test) others.push(other);
    }
    if (others.length === 0) return [];
    const items = others.slice(0, MOST_LISTED).map((other) => this.testButton(other));
    return [el("h3", {}, "Elsewhere"), el("ul", { class: "plain-list" }, ...items)];
  }
}

/** JSON as people read it. */
function indented(json) {
  try {
    return visibleBlock(JSON.stringify(JSON.parse(json), null, 1));
  } catch {
    // It was cut, being too long.
    return visibleBlock(json);
  }
}
