import { type ViteUserConfig, defineConfig } from "vitest/config";

/** Tests that compute run first, those with a ring of processes follow; two files at a time. */
const config: ViteUserConfig = defineConfig({
  test: {
    testTimeout: 20_000,
    pool: "forks",
    projects: [
      {
        extends: true,
        test: {
          name: "code",
          include: ["src/**/*.test.ts", "test/**/*.test.ts"],
          exclude: ["test/integration/**", "test/services/**"],
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: "processes",
          include: ["test/integration/**/*.test.ts"],
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});

export default config;
