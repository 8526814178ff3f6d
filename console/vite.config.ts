import react from '@vitejs/plugin-react';
import { fileURLToPath } from 'node:url';
import { defineConfig, type Plugin } from 'vite';

// Ant Design writes its styles at run time, into <style> elements, which a policy of
// `style-src 'self'` forbids. All of them go through one module (and the icons' copy of it), which
// is replaced by one that uses constructable style sheets: those are script, not markup, and need neither nonce nor hash.
function styleSheetsNotElements(): Plugin {
  const ours = fileURLToPath(new URL('src/csp/dynamic_css.ts', import.meta.url));
  return {
    name: 'style-sheets-not-elements',
    enforce: 'pre',
    async resolveId(source, importer, options) {
      if (!/dynamicCSS|cssUtils/.test(source) || importer === ours) return null;
      const found = await this.resolve(source, importer, { ...options, skipSelf: true });
      return found && /util\/es\/Dom\/dynamicCSS|icons\/es\/cssUtils/.test(found.id) ? ours : null;
    },
    // Some icons carry an empty <style>, which does nothing but offend the policy.
    transform(code, id) {
      if (!/icons-svg[\\/]es[\\/]asn/.test(id) || !code.includes('"style"')) return null;
      return { code: code.replace(/\{ "tag": "defs", "attrs": \{\}, "children": \[\{ "tag": "style", "attrs": \{\} \}\] \}, ?/g, ''), map: null };
    },
  };
}

const server = process.env.BULWARK_SERVER ?? 'http://127.0.0.1:8788';

export default defineConfig({
  plugins: [styleSheetsNotElements(), react()],
  // The optimizer of the development server would resolve past the plugin above.
  optimizeDeps: { exclude: ['@rc-component/util'] },
  build: {
    target: 'es2022',
    outDir: process.env.BULWARK_CONSOLE_OUT ?? 'dist',
    emptyOutDir: true,
    // Strict CSP: no data: URLs for scripts, and fonts or images stay files.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 900,
    rolldownOptions: {
      output: {
        codeSplitting: {
          groups: [{ name: 'react', test: /node_modules[\/](react|react-dom|react-router|scheduler|@tanstack)[\/]/ }],
        },
      },
    },
  },
  server: { proxy: { '/api': { target: server, secure: false } } },
});
