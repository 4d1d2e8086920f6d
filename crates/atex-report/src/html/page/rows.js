// The lines of the list as elements.

function statusBadge(status, word = STATUSES[status]) {
  return el("span", { class: `badge s-${STATUSES[status]}` }, el("span", { class: "mark", "aria-hidden": "true" }, MARKS[status]), visible(word));
}

/** Links to files of a row; `most` of them, and how many more there are. */
function fileLinks(store, row, most = Infinity) {
  const place = store.place(row.attempt);
  const shown = row.files.slice(0, most).map((file) => fileLink(place, row.subtest, file));
  if (row.files.length > most) shown.push(el("span", { class: "more" }, `+${row.files.length - most}`));
  return shown;
}

function fileLink(place, subtest, file) {
  const address = place === "" ? null : fileAddress(place, subtest, file);
  const name = visible(file);
  return address ? el("a", { href: address, title: name, class: "file" }, name) : el("span", { title: name, class: "file" }, name);
}

class Rows {
  constructor(store) {
    this.store = store;
  }

  /** The element of line `i`. */
  make(lines, i, isSelected) {
    const { group, row } = lines.at(i);
    const isHeading = group !== undefined;
    const cells = !isHeading ? this.result(lines, row) : lines.view === "tests" ? this.test(lines, group) : this.note(lines, group);
    const attributes = {
      role: "row",
      id: `line-${i}`,
      class: `line${isHeading ? " heading" : lines.groups ? " inner" : ""}${isSelected ? " selected" : ""}`,
      "aria-rowindex": i + 2,
      "aria-level": isHeading || !lines.groups ? 1 : 2,
      "aria-selected": String(isSelected),
      "data-line": i,
    };
    if (isHeading && lines.canExpand(group)) attributes["aria-expanded"] = String(lines.expanded.has(group));
    return el("div", attributes, ...cells);
  }

  cells({ status, expander, test, note, platform, host, took, files }) {
    const cell = (name, ...children) => el("span", { role: "gridcell", class: `c-${name}` }, ...children);
    return [
      cell("status", expander ?? el("span", { class: "expander" }), status),
      cell("test", ...test),
      cell("note", ...note),
      cell("platform", platform),
      cell("host", host),
      cell("took", took),
      cell("files", ...files),
    ];
  }

  ofAttempt(attempt) {
    const { store } = this;
    const test = store.attempts.test[attempt];
    const host = store.attempts.host[attempt];
    return {
      platform: visible(store.platforms.all[store.tests.platform[test]]),
      host: host < 0 ? "" : visible(store.hosts.name[host]),
      took: store.attempts.state[attempt] & HAS_ENDED ? duration(store.attempts.took[attempt]) : "",
    };
  }

  expander(lines, group) {
    const can = lines.canExpand(group);
    return el("span", { class: `expander${can ? " can" : ""}`, "aria-hidden": "true" }, can ? (lines.expanded.has(group) ? "▾" : "▸") : "");
  }

  test(lines, group) {
    const { store } = this;
    const row = store.row(lines.lead(group));
    const attempt = store.testAttempt[group];
    const size = lines.size(group);
    const tags = [];
    if (row.waived !== "") tags.push(el("span", { class: "tag", title: visible(row.waived) }, "waived"));
    if (store.isFlaky[group]) tags.push(el("span", { class: "tag flaky", title: "passed only when it was tried again" }, "flaky"));
    else if (store.testTries[group] > 1) tags.push(el("span", { class: "tag" }, count(store.testTries[group], "attempt")));
    const bad = size > 1 ? lines.bad(group) : 0;
    if (bad) tags.push(el("span", { class: "tag bad", title: `${count(bad, "result")} of ${number(size)} failed` }, `${number(bad)} of ${number(size)}`));
    else if (size > 1) tags.push(el("span", { class: "of", title: count(size, "result") }, number(size)));
    const name = el("bdi", { class: "name", title: visible(store.tests.name[group]) }, visible(store.tests.name[group]));
    const note = row.note || store.attempts.note[attempt];
    return this.cells({
      status: statusBadge(store.testStatus[group]),
      expander: this.expander(lines, group),
      test: [name, ...tags],
      note: [el("bdi", { title: visible(note) }, visible(note))],
      files: fileLinks(store, row, 2),
      ...this.ofAttempt(attempt),
    });
  }

  note(lines, group) {
    const size = lines.size(group);
    const worst = this.store.statusOf(lines.rowsOf(group, 1)[0]);
    const title = lines.titles[group];
    const test = [el("span", { class: "size" }, number(size)), title === "" ? el("i", {}, "without a note") : el("bdi", { class: "name", title: visible(title) }, visible(title))];
    return this.cells({ status: statusBadge(worst), expander: this.expander(lines, group), test, note: [], platform: "", host: "", took: "", files: [] });
  }

  result(lines, number_) {
    const { store } = this;
    const row = store.row(number_);
    const name = store.tests.name[row.test];
    const parts = [];
    const isBelowItsTest = lines.view === "tests";
    if (!isBelowItsTest || row.subtest === "") parts.push(el("bdi", { class: "name", title: visible(name) }, isBelowItsTest ? "the test itself" : visible(name)));
    if (row.subtest !== "") parts.push(el("bdi", { class: "subtest", title: visible(row.subtest) }, visible(row.subtest)));
    if (row.waived !== "") parts.push(el("span", { class: "tag", title: visible(row.waived) }, "waived"));
    if (!store.isShown[row.attempt]) parts.push(el("span", { class: "tag" }, `attempt ${store.attempts.number[row.attempt]}`));
    return this.cells({
      status: statusBadge(row.status, row.word),
      test: parts,
      note: lines.view === "notes" ? [] : [el("bdi", { title: visible(row.note) }, visible(row.note))],
      files: fileLinks(store, row, 2),
      ...this.ofAttempt(row.attempt),
    });
  }
}
