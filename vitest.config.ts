import { type ViteUserConfig, defineConfig } from "vitest/config";

const config: ViteUserConfig = defineConfig({
  test: {
    include: ["src/**/*.test.ts", "test/**/*.test.ts"],
    exclude: ["test/services/**", "node_modules/**"],
    testTimeout: 20_000,
    pool: "forks",
  },
});

export default config;
