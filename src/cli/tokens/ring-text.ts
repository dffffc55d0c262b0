/** Writes ring files. */
import { Document, isCollection } from "yaml";
import type { RingFile, RingFileKeyspace, RingFileMember } from "./ring-file.ts";

/** What is written of a ring. */
export interface RingText {
  readonly partitioner: Pick<RingFile["partitioner"], "name" | "format">;
  readonly members: readonly RingFileMember[];
  readonly keyspaces: readonly Pick<RingFileKeyspace, "name" | "options">[];
}

/** The ring as a file that `parseRingFile` reads back. */
export function ringFileText(
  { partitioner, members, keyspaces }: RingText,
  comments: readonly string[] = [],
): string {
  const content = {
    partitioner: partitioner.name,
    members: members.map(({ name, address, dc, rack, weight, tokens }) => ({
      name,
      ...(address !== undefined && { address }),
      dc,
      rack,
      ...(weight !== 1 && { weight: String(weight) }),
      tokens: tokens.map((token) => partitioner.format(token)),
    })),
    ...(keyspaces.length > 0 && {
      keyspaces: keyspaces.map(({ name, options }) => ({ name, replication: options })),
    }),
  };
  // Read and written with the failsafe schema, tokens need no quotes to stay text.
  const document = new Document(content, { schema: "failsafe" });
  for (const index of members.keys()) putOnOneLine(document, ["members", index, "tokens"]);
  for (const index of keyspaces.keys()) putOnOneLine(document, ["keyspaces", index, "replication"]);
  return comments.map((line) => `# ${line}\n`).join("") + document.toString({ lineWidth: 0 });
}

function putOnOneLine(document: Document, path: readonly (string | number)[]): void {
  const node: unknown = document.getIn(path, true);
  if (isCollection(node)) node.flow = true;
}
