// The columns of a large table as typed arrays: no object for each of its values. Texts are numbers of a dictionary.

import { deltaNumbers, hybridNumbers } from "./parquet-pages.js";
import { thriftStruct } from "./thrift.js";

const DATA_PAGE = 0;
const DICTIONARY_PAGE = 2;
const DATA_PAGE_V2 = 3;
const PLAIN = 0;
const DELTA = 5;
const DICTIONARIES = new Set([2, 8]);
const MOST_PAGE_BYTES = 2 ** 28;
const TYPES = { INT32: Int32Array, INT64: BigInt64Array };

// The table is written as bpfrec never writes it. hyparquet may read it all the same.
export class OtherLayoutError extends Error {}

// Numbers: `values` by row, and `valid`, whether a row has one.
class NumberColumn {
  constructor(rows, Values = BigInt64Array) {
    this.values = new Values(rows);
    this.valid = new Uint8Array(rows);
  }

  // The number as it is, a BigInt if the column has 64 bits; null for none.
  at(i) {
    return this.valid[i] ? this.values[i] : null;
  }

  // All of them less `origin` as numbers of JavaScript; NaN for none.
  floats(origin = 0n) {
    const { values, valid } = this;
    const found = new Float64Array(values.length);
    if (!(values instanceof BigInt64Array)) for (let i = 0; i < found.length; i++) found[i] = valid[i] ? values[i] : NaN;
    else if (origin === 0n) for (let i = 0; i < found.length; i++) found[i] = valid[i] ? Number(values[i]) : NaN;
    else for (let i = 0; i < found.length; i++) found[i] = valid[i] ? Number(values[i] - origin) : NaN;
    return found;
  }
}

// Texts: `codes` by row, -1 for none, and the distinct `texts`.
class TextColumn {
  constructor(rows) {
    this.codes = new Int32Array(rows).fill(-1);
    this.texts = [];
    this.numbers = new Map();
  }

  code(text) {
    let code = this.numbers.get(text);
    if (code === undefined) {
      code = this.texts.length;
      this.numbers.set(text, code);
      this.texts.push(text);
    }
    return code;
  }

  at(i) {
    const code = this.codes[i];
    return code < 0 ? null : this.texts[code];
  }
}

// Reads `names` of the table in `file` (an ArrayBuffer) whose metadata hyparquet has read. `pause` is called between
// columns, with the share that is read. Columns that the table lacks have no values: of texts those in `texts`.
export async function readColumns(file, metadata, names, texts, pause) {
  const rows = Number(metadata.num_rows);
  const columns = Object.fromEntries(names.map((name) => [name, texts.has(name) ? new TextColumn(rows) : new NumberColumn(rows)]));
  const optional = new Map(metadata.schema.slice(1).map((part) => [part.name, part.repetition_type !== "REQUIRED"]));
  let from = 0;
  let done = 0;
  const all = metadata.row_groups.length * names.length;
  for (const group of metadata.row_groups) {
    const count = Number(group.num_rows);
    if (!(count >= 0 && from + count <= rows)) throw new RangeError("its row groups have other rows than it");
    for (const { meta_data: chunk } of group.columns) {
      const name = chunk.path_in_schema.join(".");
      if (!(name in columns)) continue;
      const isText = chunk.type === "BYTE_ARRAY";
      if ((!isText && !TYPES[chunk.type]) || isText !== columns[name] instanceof TextColumn) {
        throw new RangeError(`${name} has the type ${chunk.type}`);
      }
      if (!isText && !(columns[name].values instanceof TYPES[chunk.type])) {
        if (from > 0) throw new RangeError(`${name} has two types`);
        columns[name] = new NumberColumn(rows, TYPES[chunk.type]);
      }
      readChunk(new Uint8Array(file), chunk, columns[name], optional.get(name), from, count);
      done += 1;
      await pause(done / all);
    }
    from += count;
  }
  if (from !== rows) throw new RangeError("its row groups have other rows than it");
  return columns;
}

// The same of arrays of JavaScript's values, by column.
export function columnsOf(arrays, rows, texts) {
  const made = {};
  for (const [name, array] of Object.entries(arrays)) {
    const column = texts.has(name) ? new TextColumn(rows) : new NumberColumn(rows);
    array.forEach((value, i) => {
      if (value === null) return;
      if (texts.has(name)) column.codes[i] = column.code(String(value));
      else {
        column.values[i] = BigInt(value);
        column.valid[i] = 1;
      }
    });
    made[name] = column;
  }
  return made;
}

function readChunk(file, chunk, column, isOptional, from, count) {
  let at = Number(chunk.dictionary_page_offset ?? chunk.data_page_offset);
  if (at === 0) at = Number(chunk.data_page_offset);
  const to = from + count;
  let dictionary = null;
  while (from < to) {
    const { fields: head, end } = thriftStruct(file, at);
    const [kind, size, packed] = [head[1], head[2], head[3]];
    if (!(packed >= 0 && size >= 0 && size <= MOST_PAGE_BYTES && end + packed <= file.length)) throw new RangeError("a page is larger than the file");
    const content = file.subarray(end, end + packed);
    at = end + packed;
    if (kind === DICTIONARY_PAGE) {
      dictionary = plainValues(unpacked(content, size, chunk.codec), 0, head[7][1], column);
      continue;
    }
    if (kind !== DATA_PAGE && kind !== DATA_PAGE_V2) continue;
    const page = kind === DATA_PAGE ? pageOf(unpacked(content, size, chunk.codec), head[5], isOptional) : secondPageOf(content, size, head[8], chunk.codec, isOptional);
    if (!(page.count > 0 && from + page.count <= to)) throw new RangeError("a page has other rows than its column");
    fill(column, from, page, dictionary);
    from += page.count;
  }
}

// What zstd has compressed, `size` bytes of it.
export function unzstd(bytes, size) {
  const out = new Uint8Array(size);
  // fzstd compares the buffer with 1, and an array becomes a text of all its numbers for that.
  out[Symbol.toPrimitive] = () => NaN;
  return hyparquet.decompress(bytes, out);
}

function unpacked(bytes, size, codec) {
  if (codec === "UNCOMPRESSED") return bytes;
  if (codec === "ZSTD") return unzstd(bytes, size);
  throw new OtherLayoutError(`it is compressed by ${codec}`);
}

// A page: how many rows it has, which of them have a value (null: all), and where their values begin.
function pageOf(bytes, head, isOptional) {
  const count = head[1];
  if (!isOptional) return { bytes, at: 0, count, encoding: head[2], present: null };
  const length = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(0, true);
  return { bytes, at: 4 + length, count, encoding: head[2], present: levels(bytes.subarray(4, 4 + length), count) };
}

function secondPageOf(content, size, head, codec, isOptional) {
  const length = head[5] + head[6];
  const present = isOptional ? levels(content.subarray(head[6], length), head[1]) : null;
  const values = content.subarray(length);
  const bytes = head[7] === false ? values : unpacked(values, size - length, codec);
  return { bytes, at: 0, count: head[1], encoding: head[4], present };
}

function levels(bytes, count) {
  return hybridNumbers(bytes, 0, 1, new Uint8Array(count), 0, count);
}

function fill(column, from, page, dictionary) {
  const { bytes, at, count, present } = page;
  const number = present === null ? count : present.reduce((total, is) => total + is, 0);
  let values;
  if (DICTIONARIES.has(page.encoding)) {
    const places = number ? hybridNumbers(bytes, at + 1, bytes[at], new Int32Array(number), 0, number) : new Int32Array(0);
    if (number && dictionary === null) throw new RangeError("a page has no dictionary");
    values = dictionary === null ? places : chosen(dictionary, places);
  } else if (page.encoding === DELTA && column instanceof NumberColumn) {
    values = deltaNumbers(bytes, at, new BigInt64Array(number));
    if (column.values instanceof Int32Array) values = Int32Array.from(values, Number);
  } else if (page.encoding === PLAIN) {
    values = plainValues(bytes, at, number, column);
  } else {
    throw new OtherLayoutError(`it has the encoding ${page.encoding}`);
  }
  const target = column instanceof TextColumn ? column.codes : column.values;
  if (present === null) {
    target.set(values, from);
  } else if (target instanceof BigInt64Array) {
    // As halves: a number of 64 bits would be an object.
    const [halves, parts] = [new Int32Array(target.buffer), new Int32Array(values.buffer)];
    for (let i = 0, n = 0; i < count; i++) {
      if (!present[i]) continue;
      halves[2 * (from + i)] = parts[2 * n];
      halves[2 * (from + i) + 1] = parts[2 * n + 1];
      n += 1;
    }
  } else {
    for (let i = 0, n = 0; i < count; i++) if (present[i]) target[from + i] = values[n++];
  }
  if (column instanceof NumberColumn) {
    if (present === null) column.valid.fill(1, from, from + count);
    else column.valid.set(present, from);
  }
}

function chosen(dictionary, places) {
  for (let i = 0; i < places.length; i++) if (places[i] >= dictionary.length) throw new RangeError("a value is not in its dictionary");
  const found = new dictionary.constructor(places.length);
  if (dictionary instanceof BigInt64Array) {
    const [halves, parts] = [new Int32Array(found.buffer), new Int32Array(dictionary.buffer, dictionary.byteOffset)];
    for (let i = 0; i < places.length; i++) {
      halves[2 * i] = parts[2 * places[i]];
      halves[2 * i + 1] = parts[2 * places[i] + 1];
    }
  } else {
    for (let i = 0; i < places.length; i++) found[i] = dictionary[places[i]];
  }
  return found;
}

// Values that stand one behind the other: numbers, or the codes of texts.
function plainValues(bytes, at, count, column) {
  if (column instanceof TextColumn) return plainTexts(bytes, at, count, column);
  const width = column.values.BYTES_PER_ELEMENT;
  if (!(count >= 0 && at + count * width <= bytes.length)) throw new RangeError("a page ends too soon");
  const copy = bytes.slice(at, at + count * width);
  return new column.values.constructor(copy.buffer, 0, count);
}

function plainTexts(bytes, at, count, column) {
  if (!(count >= 0 && at + 4 * count <= bytes.length)) throw new RangeError("a page ends too soon");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const decoder = new TextDecoder();
  const codes = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    const length = view.getUint32(at, true);
    at += 4;
    if (at + length > bytes.length) throw new RangeError("a text ends behind its page");
    codes[i] = column.code(decoder.decode(bytes.subarray(at, at + length)));
    at += length;
  }
  return codes;
}
