import { type ViteUserConfig, defineConfig } from "vitest/config";

/** Suites that need programs which are not npm packages. Each says so when it has to skip. */
const config: ViteUserConfig = defineConfig({
  test: { include: ["test/services/**/*.test.ts"], testTimeout: 60_000, pool: "forks" },
});

export default config;
