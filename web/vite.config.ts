/** The console's build: hashed modules and styles, a manifest that Python reads, gzip twins, licences shipped along. */

import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { defineConfig, type Plugin } from "vite";

const OUT = join(import.meta.dirname, "../src/landbridge/console/static");
const COMPRESSED = /\.(js|css|svg|txt)$/;

/** The licence texts of everything that the bundle may hold: all packages installed for use, not for the build. */
function licences(): string {
  const lock = JSON.parse(readFileSync(join(import.meta.dirname, "package-lock.json"), "utf8"));
  const texts: string[] = [];
  for (const [place, facts] of Object.entries<{ dev?: boolean; version: string; license?: string }>(lock.packages)) {
    if (!place || facts.dev) continue;
    const folder = join(import.meta.dirname, place);
    if (!existsSync(folder)) continue;
    const file = readdirSync(folder).find((name) => /^(licen[cs]e|copying)/i.test(name));
    const name = place.replace(/^.*node_modules\//, "");
    const text = file ? readFileSync(join(folder, file), "utf8").trim() : `Licence: ${facts.license ?? "not stated"}`;
    texts.push(`${name} ${facts.version}\n${"-".repeat(name.length + facts.version.length + 1)}\n\n${text}\n`);
  }
  return `Software that the console's scripts contain, with its licences.\n\n${texts.sort().join("\n\n")}`;
}

const shipped: Plugin = {
  name: "licences-and-twins",
  apply: "build",
  closeBundle() {
    writeFileSync(join(OUT, "licences.txt"), licences());
    for (const name of readdirSync(OUT)) {
      if (COMPRESSED.test(name)) writeFileSync(join(OUT, `${name}.gz`), gzipSync(readFileSync(join(OUT, name)), { level: 9 }));
    }
  },
};

export default defineConfig({
  base: "/console/static/",
  plugins: [shipped],
  build: {
    outDir: OUT,
    emptyOutDir: true,
    manifest: "manifest.json",
    assetsDir: "",
    target: "es2022",
    cssTarget: ["chrome123", "edge123", "firefox121", "safari17.5"],
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1200,
    rolldownOptions: { input: { page: "src/page.ts", map: "src/map.ts" } },
  },
});
