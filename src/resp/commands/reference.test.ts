import { expect, test } from "vitest";
import { commandReference } from "./reference.suite.ts";
import { createCommandTable } from "./table.ts";

test("docs/reference/commands.md is what the command table says (run vitest with -u to rewrite it)", async () => {
  const page = commandReference(createCommandTable());
  await expect(page).toMatchFileSnapshot("../../../docs/reference/commands.md");
});
