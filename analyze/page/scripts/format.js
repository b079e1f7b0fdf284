// Numbers and times as people read them.

export function count(number) {
  return Number(number).toLocaleString("en");
}

export function nanoseconds(ns) {
  const size = Math.abs(ns);
  if (size >= 1e9) return `${digits(ns / 1e9)} s`;
  if (size >= 1e6) return `${digits(ns / 1e6)} ms`;
  if (size >= 1e3) return `${digits(ns / 1e3)} us`;
  return `${Math.round(ns)} ns`;
}

function digits(number) {
  const size = Math.abs(number);
  return number.toLocaleString("en", { maximumFractionDigits: size >= 100 ? 0 : size >= 10 ? 1 : 2 });
}

export function bytes(number) {
  if (Math.abs(number) < 1024) return count(number);
  const units = ["KiB", "MiB", "GiB", "TiB", "PiB"];
  let place = -1;
  let size = number;
  while (Math.abs(size) >= 1024 && place < units.length - 1) {
    size /= 1024;
    place += 1;
  }
  return `${digits(size)} ${units[place]}`;
}

// A time of the trace: seconds since the recording began.
export function seconds(ns, precision = 6) {
  return (ns / 1e9).toFixed(precision);
}

// The same on the wall clock (UTC); startWallNs is text, for it has more digits than a number.
export function wallClock(startWallNs, ns) {
  const at = BigInt(startWallNs) + BigInt(Math.round(ns));
  const date = new Date(Number(at / 1000000n));
  if (Number.isNaN(date.getTime())) return "";
  const micros = String((((at % 1000000000n) + 1000000000n) % 1000000000n) / 1000n).padStart(6, "0");
  return `${date.toISOString().slice(0, 19).replace("T", " ")}.${micros}`;
}

export function shownValue(value, kind) {
  if (value === null || value === undefined) return "";
  if (kind === "ns") return nanoseconds(value);
  if (kind === "bytes") return bytes(value);
  if (kind === "count") return count(value);
  if (kind === "seconds") return `${Number(value).toFixed(3)} s`;
  if (kind === "flag") return value ? "yes" : "no";
  if (kind === "time") return String(value).replace(/^.*T(\d\d:\d\d:\d\d\.\d{3}).*$/, "$1");
  return String(value);
}

const FORMULA = /^[=+\-@\t\r]/;

// RFC 4180. A text that a spreadsheet would take for a formula begins with '.
export function csv(columns, rows) {
  const field = (value) => {
    if (value === null || value === undefined) return "";
    const text = typeof value === "string" && FORMULA.test(value) ? `'${value}` : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [columns, ...rows].map((row) => row.map(field).join(",") + "\r\n").join("");
}
