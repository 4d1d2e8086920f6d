// Which rows match what was typed. Words are searched, not rows: a note that a thousand results have is looked at once.

const FIELDS = ["test", "subtest", "note", "host", "platform", "file"];
/** Each term is a bit of a number. */
const MOST_TERMS = 30;

/**
 * What was typed, as terms that all must match: words, "words in quotes", -words that must not stand there, and
 * field:word. Capital letters in a term mean themselves only.
 *
 * Throws an Error with the reason if it is no regular expression.
 */
function parseQuery(text, isRegex) {
  if (text.trim() === "") return [];
  if (isRegex) return [term(text, null, false, true)];
  const terms = [];
  for (const [, minus, field, quoted, plain] of text.matchAll(/(-?)(?:(\w+):)?(?:"([^"]*)"?|(\S+))/g)) {
    const known = FIELDS.includes(field);
    const word = quoted ?? plain;
    const whole = field && !known ? `${field}:${word}` : word;
    if (whole !== "") terms.push(term(whole, known ? field : null, minus === "-", false));
  }
  return terms.slice(0, MOST_TERMS);
}

function term(text, field, isExcluded, isRegex) {
  const ignoreCase = text === text.toLowerCase();
  const regex = isRegex ? new RegExp(text, ignoreCase ? "iu" : "u") : null;
  return { text, field, isExcluded, ignoreCase, regex };
}

class Search {
  constructor(store, terms) {
    this.store = store;
    this.terms = terms;
    this.wanted = 0;
    this.excluded = 0;
    terms.forEach((one, i) => (one.isExcluded ? (this.excluded |= 1 << i) : (this.wanted |= 1 << i)));
  }

  /** The bits of the terms that match each word. `shift` 0 if words are numbered from 1, 1 if from 0. */
  bits(words, field, shift = 0) {
    const bits = new Uint32Array(words.length - shift);
    this.terms.forEach((one, i) => {
      if (one.field === null || one.field === field) words.match(one, (at) => (bits[at - shift] |= 1 << i));
    });
    return bits;
  }

  names(key, names, field) {
    const words = (this.store.cached[key] ??= new Words(names.map((name) => `\0${name}`).join("")));
    return this.bits(words, field, 1);
  }

  /** For each attempt: which terms its test, platform and host match. */
  attempts() {
    const { store } = this;
    const tests = this.names("testWords", store.tests.name, "test");
    const hosts = this.names("hostWords", store.hosts.name, "host");
    const platforms = this.names("platformWords", store.platforms.all, "platform");
    const { test, host } = store.attempts;
    const bits = new Uint32Array(test.length);
    for (let at = 0; at < test.length; at++) {
      const platform = store.tests.platform[test[at]];
      bits[at] = tests[test[at]] | platforms[platform] | (host[at] < 0 ? 0 : hosts[host[at]]);
    }
    return bits;
  }

  matches(bits) {
    return (bits & this.wanted) === this.wanted && (bits & this.excluded) === 0;
  }

  /**
   * Which rows match: of each chunk a byte for each of its rows, or null if none does, and of attempts with rows of
   * their own those that do.
   */
  run() {
    const { store } = this;
    const ofAttempts = this.attempts();
    const masks = store.chunks.map((chunk) => this.mask(chunk, ofAttempts));
    const own = new Set(store.own.filter((at) => this.matches(ofAttempts[at] | this.ofText(store.attempts.note[at], "note"))));
    return { masks, own };
  }

  mask(chunk, ofAttempts) {
    const { wanted, excluded } = this;
    const subtests = this.bits(chunk.subtests, "subtest");
    const notes = this.bits(chunk.notes, "note");
    const files = this.bits(chunk.files, "file");
    const { rows, attempt, subtest, note, file } = chunk;
    const mask = new Uint8Array(rows);
    let any = 0;
    for (let i = 0; i < rows; i++) {
      const bits = ofAttempts[attempt[i]] | subtests[subtest[i]] | notes[note[i]] | files[file[i]];
      any |= mask[i] = (bits & wanted) === wanted && (bits & excluded) === 0 ? 1 : 0;
    }
    return any ? mask : null;
  }

  ofText(text, field) {
    let bits = 0;
    if (text === "") return bits;
    this.terms.forEach((one, i) => {
      if (one.field !== null && one.field !== field) return;
      const isMatch = one.regex ? one.regex.test(text) : (one.ignoreCase ? text.toLowerCase() : text).includes(one.text);
      if (isMatch) bits |= 1 << i;
    });
    return bits;
  }
}
