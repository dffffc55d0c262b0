/** Routes for changing the ring: stage, plan, commit, revert, and the tasks of this member. */
import { z } from "zod";
import type { HttpReply } from "./errors.ts";
import { type Route, route } from "./route.ts";
import {
  cleanupSchema,
  commitBodySchema,
  commitSchema,
  netstatsSchema,
  planSchema,
  rebuildBodySchema,
  stagedChangeSchema,
  stagedSchema,
  taskSchema,
  tasksSchema,
  topologySchema,
} from "./topology-views.ts";

type TaskAction = "pause" | "resume" | "cancel";

const taskParams: z.ZodType<{ readonly id: string; readonly action: TaskAction }> = z.object({
  id: z.string().describe("Id of a task of this member."),
  action: z.enum(["pause", "resume", "cancel"]),
});

const ok = (body: unknown): HttpReply => ({ status: 200, body });

const CHANGE_ROUTES: readonly Route[] = [
  route({
    method: "GET",
    path: "/v1/topology",
    tag: "topology",
    summary: "Active versions of the layout, what is staged, and who waits outside",
    reply: topologySchema,
    successStatus: 200,
    handle: ({ admin }) => ok(admin.topology()),
  }),
  route({
    method: "POST",
    path: "/v1/topology/staged",
    tag: "topology",
    summary: "Stage a change",
    description: "Replies with everything that is staged at this member, which keeps it on disk.",
    body: stagedChangeSchema,
    reply: stagedSchema,
    successStatus: 200,
    handle: async ({ admin }, { body }) => ok(await admin.stage(body)),
  }),
  route({
    method: "DELETE",
    path: "/v1/topology/staged",
    tag: "topology",
    summary: "Forget what is staged",
    successStatus: 204,
    handle: async ({ admin }) => {
      await admin.unstage();
      return { status: 204 };
    },
  }),
  route({
    method: "GET",
    path: "/v1/topology/plan",
    tag: "topology",
    summary: "What committing the staged changes would do",
    description:
      "409: NOTHING_STAGED, or CHANGE_REFUSED where the ring cannot be changed like this.",
    reply: planSchema,
    successStatus: 200,
    handle: async ({ admin }) => ok(await admin.plan()),
  }),
  route({
    method: "POST",
    path: "/v1/topology/commit",
    tag: "topology",
    summary: "Apply exactly the plan with this hash",
    description:
      "Replies when every live member lives in the new layout; data are moved afterwards. 409 and " +
      "no change: PLAN_STALE when the ring has changed since the plan, PLAN_LOST when another " +
      "commit was made at the same time and won; what was staged is staged still.",
    body: commitBodySchema,
    reply: commitSchema,
    successStatus: 200,
    handle: async ({ admin }, { body }) => ok(await admin.commit(body.hash)),
  }),
  route({
    method: "POST",
    path: "/v1/topology/revert",
    tag: "topology",
    summary: "Go back to the layout that is read from",
    description: "409, CHANGE_REFUSED, if no change is under way.",
    reply: commitSchema,
    successStatus: 200,
    handle: async ({ admin }) => ok(await admin.revert()),
  }),
];

const TASK_ROUTES: readonly Route[] = [
  route({
    method: "GET",
    path: "/v1/tasks",
    tag: "topology",
    summary: "Tasks of this member, with progress and history",
    reply: tasksSchema,
    successStatus: 200,
    handle: ({ admin }) => ok(admin.tasks()),
  }),
  route({
    method: "POST",
    path: "/v1/tasks/:id/:action",
    tag: "topology",
    summary: "Pause, resume or cancel a task",
    description: "404: UNKNOWN_TASK. 409: CHANGE_REFUSED if the task is over.",
    params: taskParams,
    reply: taskSchema,
    successStatus: 200,
    handle: async ({ admin }, { params }) => ok(await admin.controlTask(params.id, params.action)),
  }),
  route({
    method: "GET",
    path: "/v1/netstats",
    tag: "topology",
    summary: "Mode, streams and tasks of this member",
    reply: netstatsSchema,
    successStatus: 200,
    handle: ({ admin }) => ok(admin.netstats()),
  }),
  route({
    method: "POST",
    path: "/v1/cleanup",
    tag: "topology",
    summary: "Drop the data that this member does not own any more",
    description: "Replies with what was dropped, when it is done.",
    reply: cleanupSchema,
    successStatus: 200,
    handle: async ({ admin }) => ok(await admin.cleanup()),
  }),
  route({
    method: "POST",
    path: "/v1/rebuild",
    tag: "topology",
    summary: "Fetch what this member owns from other replicas",
    description: "Replies with the task that does it.",
    body: rebuildBodySchema,
    reply: taskSchema,
    successStatus: 200,
    handle: async ({ admin }, { body }) => ok(await admin.rebuild(body.sourceDc)),
  }),
  route({
    method: "POST",
    path: "/v1/drain",
    tag: "topology",
    summary: "Stop to serve clients and sync what was begun",
    description: "Replies when the process may be ended.",
    successStatus: 204,
    handle: async ({ admin }) => {
      await admin.drain();
      return { status: 204 };
    },
  }),
];

export const TOPOLOGY_ROUTES: readonly Route[] = [...CHANGE_ROUTES, ...TASK_ROUTES];
