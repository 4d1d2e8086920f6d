// What stands in the list: rows that pass the filter, in order, alone or below headings.

/** Marks a line that is the heading of a group; the rest of the number is the group. */
const HEADING = 0x80000000;

/** How rows are grouped: by a number for each, of which there are `size`. */
function groupRows(rows, keyOf, size) {
  const starts = new Uint32Array(size + 1);
  const keys = new Uint32Array(rows.length);
  for (let i = 0; i < rows.length; i++) starts[(keys[i] = keyOf(rows[i])) + 1]++;
  for (let i = 0; i < size; i++) starts[i + 1] += starts[i];
  const next = starts.slice(0, size);
  const sorted = new Uint32Array(rows.length);
  const seen = [];
  for (let i = 0; i < rows.length; i++) {
    const key = keys[i];
    if (next[key] === starts[key]) seen.push(key);
    sorted[next[key]++] = rows[i];
  }
  return { starts, rows: sorted, seen };
}

/** Numbers sorted by a whole number below 2^26 for each, otherwise as they were. */
function sortedBy(numbers, keyOf) {
  const size = numbers.length;
  const keys = new Uint32Array(size);
  let all = 0;
  for (let i = 0; i < size; i++) all |= keys[i] = Math.min(Math.max(keyOf(numbers[i]), 0), 2 ** 26 - 1);
  // Digit by digit, the lowest first: a million take as long as to look at them a few times.
  let sorted = { numbers: Uint32Array.from(numbers), keys };
  for (let shift = 0; all >>> shift !== 0; shift += 13) sorted = sortedByDigit(sorted, shift, size);
  return sorted.numbers;
}

function sortedByDigit({ numbers, keys }, shift, size) {
  const next = new Uint32Array(8193);
  for (let i = 0; i < size; i++) next[((keys[i] >>> shift) & 8191) + 1]++;
  for (let digit = 0; digit < 8192; digit++) next[digit + 1] += next[digit];
  const sorted = { numbers: new Uint32Array(size), keys: new Uint32Array(size) };
  for (let i = 0; i < size; i++) {
    const at = next[(keys[i] >>> shift) & 8191]++;
    sorted.numbers[at] = numbers[i];
    sorted.keys[at] = keys[i];
  }
  return sorted;
}

/** The place of each test among all, by name. */
function nameOrder(store) {
  if (!store.cached.nameOrder) {
    const { name } = store.tests;
    const sorted = Array.from(name.keys()).sort((a, b) => (name[a] < name[b] ? -1 : name[a] > name[b] ? 1 : a - b));
    const order = new Uint32Array(name.length);
    sorted.forEach((test, i) => (order[test] = i));
    store.cached.nameOrder = order;
  }
  return store.cached.nameOrder;
}

/** What a test or a row is sorted by, or null for the worst first. */
function sortKey(store, sort) {
  if (sort === "name") {
    const order = nameOrder(store);
    return (attempt) => order[store.attempts.test[attempt]];
  }
  // To a hundredth of a second: a week at most can be told apart, which is long for a test.
  if (sort === "slow") return (attempt) => 2 ** 26 - 1 - Math.round(store.attempts.took[attempt] / 10);
  return null;
}

/** The numbers of notes in the whole page; with `alike`, those that differ only in numbers have the same. */
function noteNumbers(store, alike) {
  const key = alike ? "notesAlike" : "notes";
  if (store.cached[key]) return store.cached[key];
  const names = new Names();
  names.number("");
  const plain = (text) => (alike ? text.replace(/0x[0-9a-f]+|[0-9]+([.:,][0-9]+)*/gi, "#") : text);
  const chunks = store.chunks.map(({ notes }) => Array.from({ length: notes.length }, (_, i) => names.number(plain(notes.at(i)))));
  const own = new Map(store.own.map((at) => [at, names.number(plain(store.attempts.note[at]))]));
  const of = (row) => {
    if (row >= OWN) return own.get(row - OWN);
    const chunk = row >>> ROW_BITS;
    return chunks[chunk][store.chunks[chunk].note[row & ROW_MASK]];
  };
  return (store.cached[key] = { names, of });
}

class Lines {
  /**
   * @param view "results", "tests" or "notes"
   * @param rows the rows that match, the worst first
   */
  constructor(store, { view, statuses, sort, alike }, rows) {
    this.store = store;
    this.view = view;
    this.expanded = new Set();
    const isWanted = (status) => statuses.size === 0 || statuses.has(status);
    if (view === "tests") {
      this.byTest(rows, isWanted, sortKey(store, sort));
    } else {
      const wanted = statuses.size === 0 ? rows : rows.filter((row) => isWanted(store.statusOf(row)));
      const key = sortKey(store, sort);
      const sorted = key ? sortedBy(wanted, (row) => key(store.attemptOf(row))) : wanted;
      this.rows = sorted.length;
      if (view === "notes") this.byNote(sorted, alike);
      else this.numbers = sorted;
    }
  }

  byTest(rows, isWanted, key) {
    const { store } = this;
    this.groups = groupRows(rows, (row) => store.attempts.test[store.attemptOf(row)], store.tests.name.length);
    const seen = this.groups.seen.filter((test) => isWanted(store.testStatus[test]));
    const of = key ? (test) => key(store.testAttempt[test]) : (test) => store.testStatus[test];
    this.order = sortedBy(seen, of);
    this.rows = this.order.length;
    this.list();
  }

  byNote(rows, alike) {
    const { names, of } = noteNumbers(this.store, alike);
    this.groups = groupRows(rows, of, names.all.length);
    this.titles = names.all;
    const { starts } = this.groups;
    const isGood = (note) => this.store.statusOf(this.groups.rows[starts[note]]) >= WORST_GOOD;
    const size = (note) => Math.min(starts[note + 1] - starts[note], 2 ** 25 - 1);
    // Those with a failure first, then by how many results say so.
    this.order = sortedBy(this.groups.seen, (note) => (isGood(note) ? 2 ** 25 : 0) + 2 ** 25 - 1 - size(note));
    this.list();
  }

  /** Makes the lines of groups, with the rows of those that are expanded. */
  list() {
    const { starts, rows } = this.groups;
    let size = this.order.length;
    for (const group of this.expanded) size += starts[group + 1] - starts[group];
    const numbers = new Uint32Array(size);
    let at = 0;
    for (const group of this.order) {
      numbers[at++] = HEADING + group;
      if (!this.expanded.has(group)) continue;
      numbers.set(rows.subarray(starts[group], starts[group + 1]), at);
      at += starts[group + 1] - starts[group];
    }
    this.numbers = numbers.subarray(0, at);
  }

  get length() {
    return this.numbers.length;
  }

  /** A line as `{group}` or `{row}`. */
  at(i) {
    const line = this.numbers[i];
    return line >= HEADING ? { group: line - HEADING } : { row: line };
  }

  /** The line of a heading or a row, or -1. */
  find(number) {
    return this.numbers.indexOf(number);
  }

  size(group) {
    return this.groups.starts[group + 1] - this.groups.starts[group];
  }

  /** The rows of a group, the worst first, at most `limit` of them. */
  rowsOf(group, limit = Infinity) {
    const { starts, rows } = this.groups;
    return rows.subarray(starts[group], Math.min(starts[group + 1], starts[group] + limit));
  }

  /** How many of the rows of a group failed: they come first. */
  bad(group) {
    const { starts, rows } = this.groups;
    let [low, high] = [starts[group], starts[group + 1]];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.store.statusOf(rows[middle]) <= UNFINISHED) low = middle + 1;
      else high = middle;
    }
    return low - starts[group];
  }

  /** The row that speaks for a test: the worst without a subtest, if there is one among the first. */
  lead(group) {
    const rows = this.rowsOf(group, 256);
    const isMain = (row) => row >= OWN || this.store.chunk(row).subtest[row & ROW_MASK] === 0;
    const isLast = (row) => this.store.attemptOf(row) === this.store.testAttempt[group];
    return rows.find((row) => isMain(row) && isLast(row)) ?? rows.find(isMain) ?? rows[0];
  }

  /** Whether a heading has rows that it does not itself show. */
  canExpand(group) {
    return this.view === "notes" || this.size(group) > 1;
  }

  toggle(group, open = !this.expanded.has(group)) {
    if (open && !this.canExpand(group)) return;
    if (open) this.expanded.add(group);
    else this.expanded.delete(group);
    this.list();
  }
}
