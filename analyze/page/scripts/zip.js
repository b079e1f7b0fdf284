// The members of a trace: a zip whose members are stored as they are. Nothing else of zip is understood.

const END = 0x06054b50;
const END_64 = 0x06064b50;
const ENTRY = 0x02014b50;
const LOCAL = 0x04034b50;
const MOST_MEMBERS = 10000;

export class TraceError extends Error {}

// The members of `file` (a Blob) by name, each a function that gives its bytes.
export async function members(file) {
  const tail = await view(file, Math.max(0, file.size - 65557 - 76), file.size);
  let end = -1;
  for (let i = tail.byteLength - 22; i >= 0 && end < 0; i--) if (tail.getUint32(i, true) === END) end = i;
  if (end < 0) throw new TraceError("This is not a trace: it is no zip file, or its end is missing.");
  let total = tail.getUint16(end + 10, true);
  let size = tail.getUint32(end + 12, true);
  let start = tail.getUint32(end + 16, true);
  const wide = end - 20 - 56;
  if (wide >= 0 && tail.getUint32(wide, true) === END_64) {
    total = Number(tail.getBigUint64(wide + 32, true));
    size = Number(tail.getBigUint64(wide + 40, true));
    start = Number(tail.getBigUint64(wide + 48, true));
  }
  if (total > MOST_MEMBERS || start + size > file.size) throw new TraceError("The file is damaged: its list of members is wrong.");
  const list = await view(file, start, start + size);
  const found = new Map();
  let at = 0;
  for (let i = 0; i < total; i++) {
    if (at + 46 > list.byteLength || list.getUint32(at, true) !== ENTRY) {
      throw new TraceError("The file is damaged: its list of members is wrong.");
    }
    const [nameSize, extraSize, commentSize] = [28, 30, 32].map((place) => list.getUint16(at + place, true));
    const name = new TextDecoder().decode(new Uint8Array(list.buffer, at + 46, nameSize));
    const entry = { method: list.getUint16(at + 10, true), size: list.getUint32(at + 24, true), start: list.getUint32(at + 42, true) };
    widen(list, at + 46 + nameSize, extraSize, entry);
    if (found.has(name)) throw new TraceError(`The file is damaged: it holds ${name} twice.`);
    found.set(name, () => content(file, name, entry));
    at += 46 + nameSize + extraSize + commentSize;
  }
  return found;
}

// Sizes and places beyond 4 GiB stand in an extra field.
function widen(list, from, length, entry) {
  for (let at = from; at + 4 <= from + length; at += 4 + list.getUint16(at + 2, true)) {
    if (list.getUint16(at, true) !== 1) continue;
    let place = at + 4;
    if (entry.size === 0xffffffff) {
      entry.size = Number(list.getBigUint64(place, true));
      place += 8;
    }
    if (entry.start === 0xffffffff) {
      // The size of a stored member stands twice.
      if (list.getUint16(at + 2, true) >= 24) place += 8;
      entry.start = Number(list.getBigUint64(place, true));
    }
  }
}

async function content(file, name, entry) {
  if (entry.method !== 0) throw new TraceError(`${name} is compressed once more, which no trace is.`);
  const head = await view(file, entry.start, entry.start + 30);
  if (head.byteLength < 30 || head.getUint32(0, true) !== LOCAL) throw new TraceError(`${name} is damaged.`);
  const from = entry.start + 30 + head.getUint16(26, true) + head.getUint16(28, true);
  if (from + entry.size > file.size) throw new TraceError(`${name} is damaged: it ends behind the file.`);
  return file.slice(from, from + entry.size).arrayBuffer();
}

async function view(file, from, to) {
  return new DataView(await file.slice(from, to).arrayBuffer());
}
