// A trace, opened in the browser: its manifest, and its tables as columns.

import { columnsOf, OtherLayoutError, readColumns, unzstd } from "./columns.js";
import { members, TraceError } from "./zip.js";

const VERSION = 1;
const MOST_ROWS = 10000000;

export async function openTrace(file) {
  const found = await members(file);
  if (!found.has("manifest.json")) throw new TraceError("This is not a trace: it has no manifest.json.");
  const text = new TextDecoder().decode(await found.get("manifest.json")());
  let manifest;
  try {
    manifest = JSON.parse(text);
  } catch {
    throw new TraceError("The file is damaged: manifest.json cannot be read.");
  }
  if (!(manifest.format_version <= VERSION)) {
    throw new TraceError(`This trace has version ${manifest.format_version} of the format. Open it with a viewer of a newer bpfrec.`);
  }
  // These have more digits than a number of JavaScript.
  const exact = (name) => {
    const match = new RegExp(`"${name}":\\s*(-?\\d{1,19})\\b`).exec(text);
    if (!match) throw new TraceError(`The file is damaged: manifest.json has no ${name}.`);
    return BigInt(match[1]);
  };
  const times = Object.fromEntries(["monotonic_ns", "wall_ns", "start_ns", "stop_ns"].map((name) => [name, exact(name)]));
  return {
    name: file.name,
    size: file.size,
    manifest,
    times,
    table: (name, columns) => table(found, name, columns),
    columns: (name, numbers, texts, pause) => largeTable(found, name, numbers, texts, pause),
  };
}

// The columns of a table as arrays by name, with `rows`, how many rows there are. A column that it lacks is all null.
async function table(found, name, columns) {
  const values = Object.fromEntries(columns.map((column) => [column, []]));
  const read = async (file, metadata, rows) => {
    const there = new Set(metadata.schema.map((part) => part.name));
    const wanted = columns.filter((column) => there.has(column));
    for (const column of columns) values[column] = new Array(rows).fill(null);
    if (rows === 0 || wanted.length === 0) return;
    await hyparquet.parquetRead({
      file: { byteLength: file.byteLength, slice: async (from, to) => file.slice(from, to) },
      metadata,
      columns: wanted,
      compressors: { ZSTD: unzstd },
      onChunk: ({ columnName, columnData, rowStart }) => {
        const target = values[columnName];
        for (let i = 0; i < columnData.length; i++) target[rowStart + i] = columnData[i] ?? null;
      },
    });
  };
  return { rows: await opened(found, name, read), ...values };
}

// The columns of a table that may have millions of rows, as columns.js has them, and `rows`.
async function largeTable(found, name, numbers, texts, pause) {
  const names = [...numbers, ...texts];
  const textNames = new Set(texts);
  let columns = columnsOf(Object.fromEntries(names.map((column) => [column, []])), 0, textNames);
  try {
    const rows = await opened(found, name, async (file, metadata) => {
      columns = await readColumns(file, metadata, names, textNames, pause);
    });
    return { rows, ...columns };
  } catch (error) {
    if (!(error instanceof OtherLayoutError)) throw error;
    const { rows, ...arrays } = await table(found, name, names);
    return { rows, ...columnsOf(arrays, rows, textNames) };
  }
}

// Has `read` read a table; returns how many rows it has, 0 if there is none.
async function opened(found, name, read) {
  const member = found.get(`${name}.parquet`);
  if (!member) return 0;
  try {
    const file = await member();
    const metadata = hyparquet.parquetMetadata(file);
    const rows = Number(metadata.num_rows);
    if (!(rows >= 0)) throw new TraceError(`${name} is damaged: it has ${rows} rows.`);
    if (rows > MOST_ROWS) {
      throw new TraceError(`${name} has ${rows.toLocaleString("en")} rows, more than this viewer holds. bpfrec reads them.`);
    }
    await read(file, metadata, rows);
    return rows;
  } catch (error) {
    if (error instanceof TraceError || error instanceof OtherLayoutError) throw error;
    throw new TraceError(`${name} is damaged: ${error.message}`);
  }
}
