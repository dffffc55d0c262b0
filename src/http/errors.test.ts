import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { KV_ERROR_PREFIXES } from "../resp/errors.ts";
import { HTTP_ONLY_STATUS, STATUS_OF_CODE } from "./errors.ts";

const PAGE = readFileSync(new URL("../../docs/reference/errors.md", import.meta.url), "utf8");

/** The cells of every table row of the page that starts with a code. */
const ROWS = PAGE.split("\n")
  .filter((line) => /^\| [A-Z_]+ /.test(line))
  .map((line) => line.split("|").map((cell) => cell.trim().replaceAll("`", "")));

test("docs/reference/errors.md has every code with its status and its word in RESP", () => {
  const expected = Object.entries(STATUS_OF_CODE).map(([code, status]) => [
    code,
    String(status),
    KV_ERROR_PREFIXES[code as keyof typeof KV_ERROR_PREFIXES],
  ]);
  const documented = ROWS.filter((row) => row.length === 6).map((row) => row.slice(1, 4));
  expect(documented).toEqual(expected);
});

test("docs/reference/errors.md says what to do about every code", () => {
  const advised = [...PAGE.matchAll(/^- ([A-Z_]+): /gm)].map(([, code]) => code);
  expect(advised).toEqual(Object.keys(STATUS_OF_CODE));
});

test("docs/reference/errors.md has the codes that only HTTP has", () => {
  const documented = ROWS.filter((row) => row.length === 5).map((row) => row.slice(1, 3));
  const expected = Object.entries(HTTP_ONLY_STATUS).map(([code, status]) => [code, String(status)]);
  expect(documented).toEqual(expected);
});
