/**
 * Keeps out of the bundles what no program uses, and what makes a start slow: compiling and evaluating code is most of a
 * start (docs/decisions/0009-transport.md). Each rule names code of a pinned version; the tests of the bundle run it.
 */
import { builtinModules } from 'node:module';
import type { Plugin } from 'esbuild';

const NAMESPACE = 'lean';

const BUILT_IN = new RegExp(`^(?:node:.+|${builtinModules.join('|')})$`);

/**
 * The parts of undici that the programs use. Its entry point also evaluates fetch, web sockets, caches and mocks. Like the
 * entry point, it gives dispatchers the methods of the API, such as `request`.
 */
const UNDICI = `
const Dispatcher = require('undici/lib/dispatcher/dispatcher.js');
Object.assign(Dispatcher.prototype, require('undici/lib/api/index.js'));
exports.Agent = require('undici/lib/dispatcher/agent.js');
exports.Pool = require('undici/lib/dispatcher/pool.js');
exports.ProxyAgent = require('undici/lib/dispatcher/proxy-agent.js');
`;

/**
 * Only the module of kubeconfigs is used of client-node (docs/decisions/0009-transport.md). One of its methods makes a client
 * of the API, and so imports all models of the API.
 */
const API_CLIENT = `
function absent() {
  throw new Error('the bundle lacks the API client of client-node');
}
export { absent as createConfiguration, absent as ServerConfiguration };
`;

export const lean: Plugin = {
  name: 'lean',
  setup(build) {
    const resolveDir = build.initialOptions.absWorkingDir ?? process.cwd();

    build.onResolve({ filter: /^undici$/ }, () => ({ path: 'undici', namespace: NAMESPACE }));
    build.onLoad({ filter: /^undici$/, namespace: NAMESPACE }, () => ({ contents: UNDICI, resolveDir }));

    build.onResolve({ filter: /^\.\/gen\/index\.js$/ }, ({ path, importer }) =>
      importer.endsWith('/@kubernetes/client-node/dist/config.js')
        ? { path, namespace: NAMESPACE }
        : undefined,
    );
    build.onLoad({ filter: /gen/, namespace: NAMESPACE }, () => ({ contents: API_CLIENT }));

    // Importing a built-in module reads all its properties, and those of node:http evaluate Node's own copy of undici.
    build.onResolve({ filter: BUILT_IN }, ({ path, kind }) =>
      kind === 'import-statement' ? { path, namespace: NAMESPACE } : undefined,
    );
    build.onLoad({ filter: BUILT_IN, namespace: NAMESPACE }, ({ path }) => ({
      contents: `module.exports = require(${JSON.stringify(path)});`,
    }));
  },
};
