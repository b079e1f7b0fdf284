// Thrift's compact protocol, as far as the headers of Parquet's pages need it: apache/thrift, thrift-compact-protocol.md.

const DEEPEST_STRUCT = 16;

// The struct at `at` of `bytes`: its fields by number, and `end`, where it ends. Text and lists are stepped over.
export function thriftStruct(bytes, at, depth = 0) {
  if (depth > DEEPEST_STRUCT) throw new RangeError("a header is nested too deep");
  const fields = {};
  let last = 0;
  for (;;) {
    const head = bytes[at++];
    if (head === undefined) throw new RangeError("a header ends too soon");
    if (head === 0) return { fields, end: at };
    const kind = head & 15;
    if (head >> 4) last += head >> 4;
    else [last, at] = signedNumber(bytes, at);
    [fields[last], at] = thriftValue(bytes, at, kind, depth);
  }
}

function thriftValue(bytes, at, kind, depth) {
  if (kind === 1 || kind === 2) return [kind === 1, at];
  if (kind === 3) return [bytes[at], at + 1];
  if (kind >= 4 && kind <= 6) return signedNumber(bytes, at);
  if (kind === 7) return [null, at + 8];
  if (kind === 8) {
    const [length, from] = plainNumber(bytes, at);
    return [null, from + length];
  }
  if (kind === 9 || kind === 10) {
    let length = bytes[at] >> 4;
    const of = bytes[at++] & 15;
    if (length === 15) [length, at] = plainNumber(bytes, at);
    // Booleans in a list have a byte each.
    for (let i = 0; i < length && at < bytes.length; i++) at = of <= 2 ? at + 1 : thriftValue(bytes, at, of, depth + 1)[1];
    return [null, at];
  }
  if (kind === 12) {
    const { fields, end } = thriftStruct(bytes, at, depth + 1);
    return [fields, end];
  }
  throw new RangeError(`a header has a field of the kind ${kind}`);
}

// A number of seven bits a byte, the lowest first, and where it ends.
export function plainNumber(bytes, at) {
  let value = 0;
  for (let weight = 1; ; weight *= 128) {
    const byte = bytes[at++];
    if (byte === undefined) throw new RangeError("a number ends too soon");
    value += (byte & 127) * weight;
    if (byte < 128) return [value, at];
  }
}

function signedNumber(bytes, at) {
  const [value, end] = plainNumber(bytes, at);
  return [value % 2 ? -(value + 1) / 2 : value / 2, end];
}
