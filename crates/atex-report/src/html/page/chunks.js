// Chunks: base64 of deflated columns. What is read here is written by columns.rs and tables.rs.

/** The bytes of a chunk. */
async function unpack(text) {
  const packed = Uint8Array.fromBase64 ? Uint8Array.fromBase64(text) : Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Reads the sections of a chunk, one after another. */
class Sections {
  constructor(bytes) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = 0;
  }

  next() {
    const length = this.view.getUint32(this.at, true);
    const section = this.bytes.subarray(this.at + 4, this.at + 4 + length);
    this.at += 4 + length;
    return section;
  }

  counts() {
    const bytes = this.next();
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return [view.getUint32(0, true), view.getUint32(4, true)];
  }

  float() {
    const bytes = this.next();
    return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getFloat64(0, true);
  }

  words() {
    return new Words(new TextDecoder("utf-8", { ignoreBOM: true }).decode(this.next()));
  }

  numbers(count, Type = Uint32Array) {
    const bytes = this.next();
    const width = bytes[1];
    const numbers = new Type(count);
    for (let plane = 0; plane < width; plane++) {
      const start = 2 + plane * count;
      const shift = 8 * plane;
      for (let i = 0; i < count; i++) numbers[i] |= bytes[start + i] << shift;
    }
    if (bytes[0] === 1) sum(numbers);
    return numbers;
  }
}

/** From differences, with their sign in the lowest bit, to numbers. */
function sum(numbers) {
  let before = 0;
  for (let i = 0; i < numbers.length; i++) {
    const coded = numbers[i];
    before = (before + ((coded >>> 1) ^ -(coded & 1))) | 0;
    numbers[i] = before;
  }
}

/**
 * The words of a column by number, number 0 being none. They stay one text, which is faster to search than a million
 * of small ones, and takes less memory.
 */
class Words {
  constructor(text) {
    this.text = text;
    this.cached = {};
  }

  /** Where each word begins, and one more than where the last one ends. */
  get starts() {
    return (this.cached.starts ??= starts(this.text));
  }

  get length() {
    return this.starts.length - 1;
  }

  at(number) {
    return number === 0 ? "" : this.text.slice(this.starts[number], this.starts[number + 1] - 1);
  }

  /** Calls back with the number of each word that matches, in order. */
  match(term, found) {
    if (this.text === "") return;
    if (term.regex) this.matchRegex(term.regex, found);
    else this.matchText(term, found);
  }

  matchRegex(regex, found) {
    const { text, starts } = this;
    for (let i = 1; i + 1 < starts.length; i++) {
      if (regex.test(text.slice(starts[i], starts[i + 1] - 1))) found(i);
    }
  }

  /** A search in the whole text; after a match it goes on at the next word. */
  matchText({ text: needle, ignoreCase }, found) {
    if (ignoreCase) this.cached.lower ??= this.text.toLowerCase();
    const text = ignoreCase ? this.cached.lower : this.text;
    // Some letters become two when they are made small.
    const starts_ = text.length === this.text.length ? this.starts : (this.cached.lowerStarts ??= starts(text));
    let word = 0;
    for (let at = text.indexOf(needle); at >= 0; at = text.indexOf(needle, starts_[word + 1] - 1)) {
      while (starts_[word + 1] <= at) word++;
      found(word);
      if (word + 2 >= starts_.length) return;
    }
  }
}

function starts(text) {
  let size = 2;
  for (let at = text.indexOf("\0"); at >= 0; at = text.indexOf("\0", at + 1)) size++;
  const found = new Uint32Array(size);
  let i = 1;
  for (let at = text.indexOf("\0"); at >= 0; at = text.indexOf("\0", at + 1)) found[i++] = at + 1;
  found[i] = text.length + 1;
  return found;
}
