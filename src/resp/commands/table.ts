/** The command table: every command of the RESP front end, in the order of the reference page. */
import { CLIENT_COMMANDS } from "./client.ts";
import { CommandTable } from "./command-table.ts";
import { commandCommands } from "./command.ts";
import { CONNECTION_COMMANDS } from "./connection.ts";
import { CONSISTENCY_COMMANDS } from "./consistency.ts";
import { INFO_COMMANDS } from "./info.ts";
import { KEY_COMMANDS } from "./keys.ts";
import { SCAN_COMMANDS } from "./scan.ts";
import { SERVER_COMMANDS } from "./server.ts";
import { STRING_COMMANDS } from "./strings.ts";

export function createCommandTable(): CommandTable {
  const table: CommandTable = new CommandTable([
    ...STRING_COMMANDS,
    ...KEY_COMMANDS,
    ...SCAN_COMMANDS,
    ...CONSISTENCY_COMMANDS,
    ...CONNECTION_COMMANDS,
    ...CLIENT_COMMANDS,
    ...SERVER_COMMANDS,
    ...INFO_COMMANDS,
    ...commandCommands(() => table),
  ]);
  return table;
}
