// The layer table of the project: a folder under src/ may import only what its row names.
// docs/ARCHITECTURE.md explains the rows; this file is the truth.
const LAYERS = {
  util: [],
  model: ["util"],
  ring: ["util"],
  placement: ["util", "model", "ring"],
  versions: ["util", "model"],
  layout: ["util", "model", "ring", "placement"],
  gossip: ["util", "model"],
  codec: ["util", "model", "versions"],
  storage: ["util", "model", "ring", "versions", "codec"],
  transport: ["util", "model", "codec"],
  coordinator: [
    "util",
    "model",
    "ring",
    "placement",
    "layout",
    "versions",
    "codec",
    "storage",
    "transport",
  ],
  healing: ["util", "model", "ring", "layout", "versions", "codec", "storage"],
  node: [
    "util",
    "model",
    "ring",
    "placement",
    "layout",
    "versions",
    "gossip",
    "codec",
    "storage",
    "transport",
    "coordinator",
    "healing",
  ],
  resp: ["util", "model", "codec"],
  http: ["util", "model"],
  cli: [
    "util",
    "model",
    "ring",
    "placement",
    "layout",
    "storage",
    "transport",
    "node",
    "resp",
    "http",
  ],
  sim: [
    "util",
    "model",
    "ring",
    "placement",
    "layout",
    "versions",
    "gossip",
    "codec",
    "storage",
    "transport",
    "coordinator",
    "healing",
    "node",
  ],
};

/** Layers that know the outside world only as interfaces: no node:*, no clock, no chance. */
const PURE = [
  "util",
  "model",
  "ring",
  "placement",
  "versions",
  "layout",
  "gossip",
  "codec",
  "coordinator",
  "healing",
  "sim",
];

/** Layers that may do I/O but still take time and chance through deps. */
const TIMELESS = [...PURE, "storage", "transport", "resp", "http"];

const FROM_DEPS = "take a Clock / Rng / Disk / Transport through deps";

const layerRules = Object.entries(LAYERS).map(([layer, allowed]) => ({
  files: [`src/${layer}/**/*.ts`],
  excludeFiles: ["**/*.test.ts", "**/*.suite.ts"],
  rules: {
    "no-restricted-imports": [
      "error",
      {
        patterns: [
          {
            group: Object.keys(LAYERS)
              .filter((other) => other !== layer && !allowed.includes(other))
              .map((other) => `**/${other}/**`),
            message: `${layer} may import: ${allowed.join(", ") || "nothing"}`,
          },
          ...(PURE.includes(layer) ? [{ group: ["node:*"], message: "pure layer" }] : []),
        ],
      },
    ],
    ...(TIMELESS.includes(layer) && {
      "no-restricted-globals": [
        "error",
        ...["setTimeout", "setInterval", "setImmediate", "process", "performance", "crypto"].map(
          (name) => ({ name, message: FROM_DEPS }),
        ),
      ],
      "no-restricted-properties": [
        "error",
        { object: "Date", property: "now", message: FROM_DEPS },
        { object: "Math", property: "random", message: FROM_DEPS },
      ],
    }),
  },
}));

export default {
  plugins: ["eslint", "typescript", "unicorn", "import", "vitest"],
  categories: { correctness: "error" },
  rules: {
    "import/no-cycle": "error",
    "import/no-default-export": "error",
    "unicorn/prefer-node-protocol": "error",
    "max-lines": ["error", { max: 500, skipBlankLines: true, skipComments: true }],
    "max-lines-per-function": ["error", { max: 70, skipBlankLines: true, skipComments: true }],
    "max-params": ["error", 4],
    "max-depth": ["error", 4],
    eqeqeq: "error",
    "typescript/no-floating-promises": "error",
    "typescript/no-misused-promises": "error",
    "typescript/await-thenable": "error",
    "typescript/require-await": "error",
    "typescript/return-await": ["error", "in-try-catch"],
    "typescript/switch-exhaustiveness-check": [
      "error",
      { considerDefaultExhaustiveForUnions: true },
    ],
    "typescript/only-throw-error": "error",
    "typescript/no-explicit-any": "error",
    "typescript/no-non-null-assertion": "error",
    "typescript/consistent-type-imports": "error",
    "typescript/prefer-readonly": "error",
  },
  overrides: [
    ...layerRules,
    {
      // The simulator's contact with the real machine: promise callbacks, and the command itself.
      files: ["src/sim/host.ts", "src/sim/main.ts", "src/sim/topology/main.ts"],
      rules: { "no-restricted-globals": "off" },
    },
    {
      files: ["**/*.test.ts", "**/*.suite.ts", "test/**/*.ts", "bench/**/*.ts"],
      rules: {
        "max-lines": "off",
        "max-lines-per-function": "off",
        "typescript/no-non-null-assertion": "off",
      },
    },
    { files: ["*.config.ts", "*.config.mjs"], rules: { "import/no-default-export": "off" } },
  ],
};
