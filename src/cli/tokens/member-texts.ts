/** The tokens of members in the form in which their configuration files want them. */
import { unreachable } from "../../util/assert.ts";
import type { RingFile, RingFileMember } from "./ring-file.ts";
import { ringFileText } from "./ring-text.ts";

export const FORMATS = ["cassandra", "dynomite", "dynaring", "ring"] as const;
export type Format = (typeof FORMATS)[number];

/** A YAML document for each member, or one ring file. */
export function memberTexts(ring: RingFile, format: Format, comments: readonly string[]): string {
  if (format === "ring") return ringFileText(ring, comments);
  const head = comments.map((line) => `# ${line}\n`).join("");
  const documents = ring.members.map((member) => {
    const lines = linesOf(ring, member, format).map((line) => `${line}\n`);
    return `---\n# ${member.name}: ${member.dc}, ${member.rack}\n${lines.join("")}`;
  });
  return head + documents.join("");
}

function linesOf(
  { partitioner }: RingFile,
  { dc, rack, tokens }: RingFileMember,
  format: Exclude<Format, "ring">,
): readonly string[] {
  const texts = tokens.map((token) => partitioner.format(token));
  switch (format) {
    case "cassandra":
      return [`num_tokens: ${texts.length}`, `initial_token: ${texts.join(",")}`];
    case "dynomite":
      return [
        "dyn_o_mite:",
        `  datacenter: ${dc}`,
        `  rack: ${rack}`,
        `  tokens: '${texts.join(",")}'`,
      ];
    case "dynaring":
      return [
        `dc: ${dc}`,
        `rack: ${rack}`,
        `numTokens: ${texts.length}`,
        `initialToken: [${texts.map((text) => `"${text}"`).join(", ")}]`,
      ];
    default:
      return unreachable(format);
  }
}
