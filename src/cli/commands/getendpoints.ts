/** `getendpoints`: the replicas of a key, one address per line. */
import { CliError } from "../exit-codes.ts";
import { type ClientCommand, KEYSPACE, requiredArgument, textOption } from "./client-command.ts";

const ENCODINGS = ["utf8", "hex", "base64url"] as const;

export const getendpointsCommand: ClientCommand = {
  name: "getendpoints",
  description: "The replicas of a key, in placement order",
  arguments: [KEYSPACE, { flags: "<key>", description: "the key, as text unless told otherwise" }],
  options: [
    {
      flags: "--key-encoding <encoding>",
      description: `how the key is written: ${ENCODINGS.join(", ")} (default: utf8)`,
    },
  ],
  run: async (client, input) => {
    const key = keyBytes(requiredArgument(input, 1), textOption(input, "keyEncoding") ?? "utf8");
    const endpoints = await client.endpoints(requiredArgument(input, 0), key);
    const text = endpoints.replicas.map(({ address }) => `${address}\n`).join("");
    return { json: endpoints, text };
  },
};

function keyBytes(text: string, name: string): Uint8Array {
  const encoding = ENCODINGS.find((known) => known === name);
  if (encoding === undefined) {
    throw new CliError("usage", `'${name}' is no encoding, expected ${ENCODINGS.join(", ")}`);
  }
  const bytes = Buffer.from(text, encoding);
  // Buffer stops at the first character that it cannot read.
  if (encoding === "hex" && bytes.length * 2 !== text.length) {
    throw new CliError("usage", `'${text}' is no key in hex, expected pairs of hex digits`);
  }
  if (encoding === "base64url" && bytes.toString("base64url") !== text) {
    throw new CliError("usage", `'${text}' is no key in base64url`);
  }
  return bytes;
}
