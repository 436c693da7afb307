import { defineConfig, loadEnv } from "vite";

/** The page needs nothing but its own origin; blob: is for a video file the visitor opens. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'self'",
  "img-src 'self' data:",
  "media-src 'self' blob:",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'self'",
].join("; ");

/** OBS puts a Browser Source's custom CSS into the page as a style element. The page shows nothing of anyone's. */
const VIEW_CONTENT_SECURITY_POLICY = `${CONTENT_SECURITY_POLICY}; style-src 'self' 'unsafe-inline'`;

/** Where `npm run dev` finds the server; AFTERIMAGE_DEV_SERVER points elsewhere. */
const DEFAULT_SERVER = "http://127.0.0.1:8080";

export default defineConfig(({ mode }) => ({
  base: "./",
  plugins: [
    {
      name: "content-security-policy",
      // Only in the build: the development server injects its own styles inline.
      apply: "build",
      transformIndexHtml: (_html, { filename }) => [
        {
          tag: "meta",
          attrs: {
            "http-equiv": "Content-Security-Policy",
            content: filename.endsWith("view.html")
              ? VIEW_CONTENT_SECURITY_POLICY
              : CONTENT_SECURITY_POLICY,
          },
          injectTo: "head-prepend",
        },
      ],
    },
  ],
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // The page, and the one for OBS's Browser Source; the server has it at /view.
    rolldownOptions: { input: ["index.html", "view.html"] },
  },
  server: { host: "127.0.0.1", proxy: { "^/(v1|whip|whep|readyz|livez)": proxied(mode) } },
}));

function proxied(mode: string): string {
  return loadEnv(mode, ".", "AFTERIMAGE_")["AFTERIMAGE_DEV_SERVER"] ?? DEFAULT_SERVER;
}
