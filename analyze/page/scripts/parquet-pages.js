// What the pages of a Parquet column hold, without an object for each value: apache/parquet-format, Encodings.md.
// hyparquet makes arrays of JavaScript's values, which takes ten times as long for a million rows.

import { plainNumber } from "./thrift.js";

const MINIBLOCK_UNIT = 32;

// The run-length and bit-packed numbers of `width` bits from `at` on, written to `out` from `from` to `to`.
export function hybridNumbers(bytes, at, width, out, from, to) {
  if (!(width <= 24)) throw new RangeError(`numbers of ${width} bits`);
  const mask = 2 ** width - 1;
  if (width === 0) return out.fill(0, from, to);
  while (from < to) {
    let head;
    [head, at] = plainNumber(bytes, at);
    if (head % 2 === 0) {
      let value = 0;
      for (let i = 0; i < (width + 7) >> 3; i++) value += bytes[at++] * 2 ** (8 * i);
      const end = Math.min(from + head / 2, to);
      if (end === from) throw new RangeError("a run of nothing");
      out.fill(value, from, end);
      from = end;
      continue;
    }
    const values = ((head - 1) / 2) * 8;
    const end = Math.min(from + values, to);
    if (end === from) throw new RangeError("a run of nothing");
    let bits = 0;
    let held = 0;
    let place = at;
    for (; from < end; from++) {
      // At most 24 + 8 bits are held; wider numbers are dictionaries of more than 16 million values.
      while (held < width) {
        bits |= (bytes[place++] ?? 0) << held;
        held += 8;
      }
      out[from] = bits & mask;
      bits >>>= width;
      held -= width;
    }
    at += (values / 8) * width;
    if (at > bytes.length + width) throw new RangeError("a page ends too soon");
  }
  return out;
}

// The DELTA_BINARY_PACKED numbers from `at` on, as 64 bits, written to `out` (a BigInt64Array).
export function deltaNumbers(bytes, at, out) {
  let blockSize, miniblocks, total, first;
  [blockSize, at] = plainNumber(bytes, at);
  [miniblocks, at] = plainNumber(bytes, at);
  [total, at] = plainNumber(bytes, at);
  [first, at] = wideNumber(bytes, at);
  const perMiniblock = blockSize / miniblocks;
  if (total !== out.length || !(perMiniblock > 0) || perMiniblock % MINIBLOCK_UNIT) throw new RangeError("a page of differences is damaged");
  if (total === 0) return out;
  out[0] = first;
  let value = first;
  for (let i = 1; i < total; ) {
    let least;
    [least, at] = wideNumber(bytes, at);
    const widths = bytes.subarray(at, at + miniblocks);
    at += miniblocks;
    for (let block = 0; block < miniblocks && i < total; block++) {
      const width = widths[block];
      if (!(width <= 64)) throw new RangeError("a page of differences is damaged");
      const end = Math.min(i + perMiniblock, total);
      if (width <= 24) {
        let bits = 0;
        let held = 0;
        let place = at;
        const mask = 2 ** width - 1;
        for (; i < end; i++) {
          while (held < width) {
            bits |= (bytes[place++] ?? 0) << held;
            held += 8;
          }
          value += least + BigInt(bits & mask);
          out[i] = value;
          bits >>>= width;
          held -= width;
        }
      } else {
        for (let n = 0; i < end; i++, n++) {
          value += least + wideBits(bytes, at, n * width, width);
          out[i] = value;
        }
      }
      value = out[i - 1];
      at += (perMiniblock / 8) * width;
    }
    if (at > bytes.length + blockSize * 8) throw new RangeError("a page of differences is damaged");
  }
  return out;
}

function wideBits(bytes, at, from, width) {
  let value = 0n;
  let shift = 0n;
  let place = at + (from >> 3);
  let skip = from & 7;
  for (let left = width; left > 0; ) {
    const taken = Math.min(8 - skip, left);
    value |= BigInt(((bytes[place++] ?? 0) >> skip) & (2 ** taken - 1)) << shift;
    shift += BigInt(taken);
    left -= taken;
    skip = 0;
  }
  return value;
}

function wideNumber(bytes, at) {
  let value = 0n;
  for (let shift = 0n; shift < 70n; shift += 7n) {
    const byte = bytes[at++];
    if (byte === undefined) throw new RangeError("a number ends too soon");
    value |= BigInt(byte & 127) << shift;
    if (byte < 128) return [value & 1n ? -((value + 1n) >> 1n) : value >> 1n, at];
  }
  throw new RangeError("a number is too long");
}
