// Everything that the page knows: results, attempts, tests, hosts, runs.
//
// Rows are numbers. A result is (number of its chunk) * META.rows + (its place in there); an attempt that says more than
// its results do has a row of its own, OWN + (its number).

const META = JSON.parse(document.getElementById("meta").textContent);
const OWN = 0x40000000;
/** META.rows is a power of two: a row's chunk and its place in there are its high and its low bits. */
const ROW_BITS = Math.log2(META.rows);
const ROW_MASK = META.rows - 1;

/** Statuses from the worst; a word of a test's own is shown as it is, and counts as OTHER. */
const STATUSES = ["infra", "error", "fail", "unfinished", "warn", "pass", "info", "skip", "other"];
const UNFINISHED = STATUSES.indexOf("unfinished");
const PASS = STATUSES.indexOf("pass");
const INFO = STATUSES.indexOf("info");
const OTHER = STATUSES.indexOf("other");
const WORST_GOOD = PASS;
const MARKS = ["◆", "▲", "✕", "◌", "!", "✓", "i", "–", "·"];
/** In the order of the records' outcomes. */
const OUTCOMES = ["infra", "error", "fail", "warn", "pass", "info", "skip"].map((word) => STATUSES.indexOf(word));
const CAUSES = ["test", "host", "own", "cancelled", "skipped"];
const HAS_ENDED = 1;
const IS_FINAL = 2;
const HAS_EXIT = 4;
const IS_KNOWN = 8;

/** What a status ranks as: words of tests' own as `info`. */
function rank(status) {
  return status === OTHER ? INFO : status;
}

/** Names by number, and numbers by name. */
class Names {
  constructor() {
    this.all = [];
    this.numbers = new Map();
  }

  number(name) {
    let number = this.numbers.get(name);
    if (number === undefined) {
      number = this.all.length;
      this.numbers.set(name, number);
      this.all.push(name);
    }
    return number;
  }
}

class Store {
  constructor() {
    this.runs = new Names();
    this.platforms = new Names();
    this.chunks = [];
    this.tests = { run: [], platform: [], name: [], first: [], byPlace: [] };
    this.attempts = {
      test: [], number: [], host: [], next: [], state: [], time: [], took: [], outcome: [], cause: [], exit: [], note: [],
      place: [], old: [], lastBad: [], lastGood: [],
    };
    this.hosts = { run: [], name: [], platform: [], events: [], byRun: [] };
    this.isOutOfOrder = false;
    this.cached = {};
  }

  /** Takes in a chunk. */
  add(kind, bytes) {
    this.cached = {};
    if (kind === "hosts") this.addHosts(JSON.parse(new TextDecoder().decode(bytes)));
    else if (kind === "attempts") this.addAttempts(new Sections(bytes));
    else this.addResults(new Sections(bytes), kind === "bad");
  }

  test(run, platform, name) {
    const { tests } = this;
    const place = run * 65536 + platform;
    const names = (tests.byPlace[place] ??= new Map());
    let test = names.get(name);
    if (test === undefined) {
      test = tests.name.length;
      names.set(name, test);
      tests.run.push(run);
      tests.platform.push(platform);
      tests.name.push(name);
      tests.first.push(-1);
    }
    return test;
  }

  attempt(test, number) {
    const { tests, attempts } = this;
    for (let at = tests.first[test]; at >= 0; at = attempts.next[at]) {
      if (attempts.number[at] === number) return at;
    }
    const attempt = attempts.test.length;
    attempts.test.push(test);
    attempts.number.push(number);
    attempts.next.push(tests.first[test]);
    for (const column of ["state", "took", "outcome", "cause", "exit", "old", "lastBad", "lastGood"]) attempts[column].push(0);
    attempts.host.push(-1);
    attempts.time.push(NaN);
    attempts.note.push("");
    attempts.place.push("");
    tests.first[test] = attempt;
    return attempt;
  }

  host(run, name) {
    const { hosts } = this;
    const names = (hosts.byRun[run] ??= new Map());
    let host = names.get(name);
    if (host === undefined) {
      host = hosts.name.length;
      names.set(name, host);
      hosts.run.push(run);
      hosts.name.push(name);
      hosts.platform.push(-1);
      hosts.events.push([]);
    }
    return host;
  }

  /** The numbers of the attempts that a chunk speaks of. */
  keys(sections, count) {
    const [runs, platforms, tests, hosts] = [0, 1, 2, 3].map(() => sections.words());
    const [run, platform, test, number, host] = [0, 1, 2, 3, 4].map(() => sections.numbers(count));
    const runNumbers = numbersOf(runs, this.runs);
    const platformNumbers = numbersOf(platforms, this.platforms);
    const keys = new Int32Array(count);
    for (let i = 0; i < count; i++) {
      const of = runNumbers[run[i]];
      const found = this.attempt(this.test(of, platformNumbers[platform[i]], tests.at(test[i])), number[i]);
      if (host[i]) {
        const at = this.host(of, hosts.at(host[i]));
        this.attempts.host[found] = at;
        if (this.hosts.platform[at] < 0) this.hosts.platform[at] = platformNumbers[platform[i]];
      }
      keys[i] = found;
    }
    return keys;
  }

  addResults(sections, isBad) {
    const [rows, count] = sections.counts();
    const keys = this.keys(sections, count);
    this.addEnds(sections, keys);
    const [statuses, subtests, notes, files, extras, waivers] = [0, 1, 2, 3, 4, 5].map(() => sections.words());
    const attempt = sections.numbers(rows, Int32Array);
    for (let i = 0; i < rows; i++) attempt[i] = keys[attempt[i]];
    const status = sections.numbers(rows, Uint16Array);
    const [subtest, note, file, extra, waiver] = [0, 1, 2, 3, 4].map(() => sections.numbers(rows, Uint16Array));
    const position = sections.numbers(rows);
    const isOld = sections.numbers(rows, Uint8Array);
    const chunk = { rows, attempt, status, statuses, subtest, subtests, note, notes, file, files, extra, extras, waiver, waivers, position, skip: null };
    chunk.kind = kinds(status, statuses);
    this.chunks.push(chunk);
    const last = isBad ? this.attempts.lastBad : this.attempts.lastGood;
    const { old } = this.attempts;
    for (let i = 0; i < rows; i++) {
      const at = attempt[i];
      if (position[i] > last[at]) last[at] = position[i];
      else this.isOutOfOrder = true;
      if (isOld[i]) old[at] = 1;
    }
  }

  addAttempts(sections) {
    const [, count] = sections.counts();
    this.addEnds(sections, this.keys(sections, count));
  }

  /** What a chunk says of the attempts that it speaks of. */
  addEnds(sections, keys) {
    const rows = keys.length;
    const base = sections.float();
    const [notes, places] = [sections.words(), sections.words()];
    const time = sections.numbers(rows, Int32Array);
    const took = sections.numbers(rows);
    const [outcome, cause, state] = [0, 1, 2].map(() => sections.numbers(rows, Uint8Array));
    const exit = sections.numbers(rows, Int32Array);
    const [note, place] = [sections.numbers(rows), sections.numbers(rows)];
    const { attempts } = this;
    for (let i = 0; i < rows; i++) {
      if (!(state[i] & IS_KNOWN)) continue;
      const at = keys[i];
      const when = base + time[i];
      // An end says more than a start; of two ends, which nobody writes, the later one counts.
      if (attempts.state[at] & HAS_ENDED && (!(state[i] & HAS_ENDED) || when < attempts.time[at])) continue;
      attempts.state[at] = state[i];
      attempts.time[at] = when;
      attempts.took[at] = took[i];
      attempts.outcome[at] = state[i] & HAS_ENDED ? OUTCOMES[outcome[i]] : UNFINISHED;
      attempts.cause[at] = cause[i];
      attempts.exit[at] = exit[i];
      attempts.note[at] = notes.at(note[i]);
      attempts.place[at] = places.at(place[i]);
      if (state[i] & HAS_ENDED) attempts.old[at] = state[i] & IS_FINAL ? 0 : 1;
    }
  }

  addHosts(rows) {
    // NUL stands between words, and is shown as a picture anyway.
    const word = (text) => text.replaceAll("\0", "\u2400");
    for (const [run, name, platform, time, what, note, facts] of rows) {
      const host = this.host(this.runs.number(word(run)), word(name));
      this.hosts.platform[host] = this.platforms.number(word(platform));
      const events = this.hosts.events[host];
      if (!events.some((event) => event.time === time && event.what === what)) events.push({ time, what, note, facts });
    }
  }

  /** What follows from everything that was read: repeats, rows of attempts' own, what became of each test. */
  settle() {
    if (this.isOutOfOrder) this.dropRepeats();
    this.cached = {};
    const { attempts, tests } = this;
    const size = attempts.test.length;
    // 255: it has none.
    const main = new Uint8Array(size).fill(255);
    const other = new Uint8Array(size).fill(255);
    for (const chunk of this.chunks) {
      const { attempt, subtest, kind, skip } = chunk;
      for (let i = 0; i < chunk.rows; i++) {
        if (skip && skip[i]) continue;
        const of = subtest[i] ? other : main;
        const at = attempt[i];
        if (kind[i] < of[at]) of[at] = kind[i];
      }
    }
    this.own = [];
    this.attemptStatus = new Uint8Array(size);
    for (let at = 0; at < size; at++) {
      const isKnown = attempts.state[at] !== 0 || !Number.isNaN(attempts.time[at]);
      const reported = main[at] !== 255 ? main[at] : other[at];
      this.attemptStatus[at] = isKnown ? attempts.outcome[at] : reported === 255 ? UNFINISHED : reported;
      if (isKnown && (reported === 255 || rank(this.attemptStatus[at]) < rank(main[at]))) this.own.push(at);
    }
    this.settleTests(tests, attempts);
  }

  settleTests(tests, attempts) {
    const size = tests.name.length;
    this.testStatus = new Uint8Array(size);
    this.testAttempt = new Int32Array(size);
    this.testTries = new Uint16Array(size);
    this.isFlaky = new Uint8Array(size);
    this.isShown = new Uint8Array(attempts.test.length);
    for (let test = 0; test < size; test++) {
      let last = -1;
      let tries = 0;
      let hasFailed = false;
      for (let at = tests.first[test]; at >= 0; at = attempts.next[at]) {
        tries++;
        const isLater = last < 0 || attempts.old[last] > attempts.old[at]
          || (attempts.old[last] === attempts.old[at] && attempts.number[at] > attempts.number[last]);
        if (isLater) last = at;
        if (attempts.old[at] && this.attemptStatus[at] < UNFINISHED) hasFailed = true;
      }
      this.testAttempt[test] = last;
      this.testTries[test] = tries;
      this.testStatus[test] = this.attemptStatus[last];
      this.isFlaky[test] = hasFailed && this.attemptStatus[last] > UNFINISHED && tries > 1 ? 1 : 0;
      this.isShown[last] = 1;
    }
  }

  /** Marks all but the first of results of one identity. Only needed when they did not come in order. */
  dropRepeats() {
    const size = this.attempts.test.length;
    const starts = new Uint32Array(size + 1);
    for (const { attempt } of this.chunks) for (const at of attempt) starts[at + 1]++;
    for (let i = 0; i < size; i++) starts[i + 1] += starts[i];
    const ends = starts.slice(0, size);
    const rows = new Uint32Array(starts[size]);
    this.chunks.forEach(({ attempt }, c) => attempt.forEach((at, i) => (rows[ends[at]++] = c * META.rows + i)));
    const position = (row) => this.chunks[row >>> ROW_BITS].position[row & ROW_MASK];
    for (let at = 0; at < size; at++) {
      const seen = new Set();
      for (let i = starts[at]; i < starts[at + 1]; i++) {
        const n = position(rows[i]);
        if (seen.has(n)) this.skip(rows[i]);
        seen.add(n);
      }
    }
  }

  skip(row) {
    const chunk = this.chunks[row >>> ROW_BITS];
    (chunk.skip ??= new Uint8Array(chunk.rows))[row & ROW_MASK] = 1;
  }

  /** All rows, the worst first, otherwise as they were reported; those of earlier attempts only on demand. */
  order(withEarlier) {
    const key = withEarlier ? "all" : "last";
    return (this.cached[key] ??= this.makeOrder(withEarlier));
  }

  makeOrder(withEarlier) {
    const show = (at) => withEarlier || this.isShown[at];
    const buckets = STATUSES.map(() => 0);
    const each = (take) => {
      for (const at of this.own) if (show(at)) take(this.attemptStatus[at], OWN + at);
      this.chunks.forEach(({ rows, kind, attempt, skip }, c) => {
        const base = c * META.rows;
        for (let i = 0; i < rows; i++) {
          if (!(skip && skip[i]) && show(attempt[i])) take(kind[i], base + i);
        }
      });
    };
    each((status) => buckets[status]++);
    let total = 0;
    const next = buckets.map((size) => (total += size) - size);
    const order = new Uint32Array(total);
    each((status, row) => (order[next[status]++] = row));
    return order;
  }

  chunk(row) {
    return this.chunks[row >>> ROW_BITS];
  }

  /** The attempt that a row belongs to. */
  attemptOf(row) {
    return row >= OWN ? row - OWN : this.chunk(row).attempt[row & ROW_MASK];
  }

  statusOf(row) {
    return row >= OWN ? this.attemptStatus[row - OWN] : this.chunk(row).kind[row & ROW_MASK];
  }

  /** Everything of a row in words. */
  row(row) {
    const attempt = this.attemptOf(row);
    const test = this.attempts.test[attempt];
    const of = { row, attempt, test, status: this.statusOf(row), subtest: "", files: [], extra: "", waived: "" };
    if (row >= OWN) return { ...of, word: STATUSES[of.status], note: this.attempts.note[attempt] };
    const chunk = this.chunk(row);
    const i = row & ROW_MASK;
    const files = chunk.files.at(chunk.file[i]);
    return {
      ...of,
      word: chunk.statuses.at(chunk.status[i]) || "none",
      subtest: chunk.subtests.at(chunk.subtest[i]),
      note: chunk.notes.at(chunk.note[i]),
      files: files === "" ? [] : files.split("\u0001"),
      extra: chunk.extras.at(chunk.extra[i]),
      waived: chunk.waivers.at(chunk.waiver[i]),
    };
  }

  /** The directory of an attempt's files, relative to the page, or "". */
  place(attempt) {
    const { attempts, tests } = this;
    const test = attempts.test[attempt];
    const parts = { "\u0001": tests.name[test].replace(/^\/+/, ""), "\u0002": this.platforms.all[tests.platform[test]], "\u0003": String(attempts.number[attempt]) };
    return attempts.place[attempt].replace(/[\u0001-\u0003]/g, (mark) => parts[mark]);
  }

  /** All attempts at a test, the first one first. */
  attemptsOf(test) {
    const found = [];
    for (let at = this.tests.first[test]; at >= 0; at = this.attempts.next[at]) found.push(at);
    return found.sort((a, b) => this.attempts.number[a] - this.attempts.number[b]);
  }
}

/** The numbers that the words of a chunk have in the whole page. */
function numbersOf(words, names) {
  const numbers = [-1];
  for (let i = 1; i < words.length; i++) numbers.push(names.number(words.at(i)));
  return numbers;
}

/** Which of the statuses each result has. */
function kinds(status, statuses) {
  const of = [OTHER];
  for (let i = 1; i < statuses.length; i++) {
    const at = STATUSES.indexOf(statuses.at(i));
    of.push(at < 0 || at === UNFINISHED ? OTHER : at);
  }
  const kind = new Uint8Array(status.length);
  for (let i = 0; i < status.length; i++) kind[i] = of[status[i]];
  return kind;
}
