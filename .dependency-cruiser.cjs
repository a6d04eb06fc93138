/**
 * The arrows of docs/ARCHITECTURE.md as rules: who may import whom, and which folder owns which
 * npm package. `npm run check:arrows` runs them through scripts/check-arrows.mjs, which also fails
 * when not every file under src/ was seen.
 */

/** Folders inside io/ that adapt one thing of the outside world to a port. */
const adapters = 'config|disk|discovery|http|metrics|monitors|net|notify|ui';

/** Libraries over the ports and the read-only openers, for the adapters that answer people. */
const libraries = 'replay';
const libraryUsers = 'http|ui';

/** Adapters that speak HTTP as a client do it in one way. */
const httpClients = 'monitors|notify';

/** What the schemas of integrations are written in. */
const schemaWords = '^src/io/config/(fields|http-config)\\.ts$';

const INNER = '^src/(commands|log|projections|raft)/';

/** Which folders may import a package; every other package is free to all of io/. */
const packageHomes = {
  msgpackr: '^src/(log|io/net)/',
  immer: '^src/projections/',
  level: '^src/io/disk/',
  etcd3: '^src/io/discovery/',
};

/** npm packages that a pure folder may import; all others are for io/. */
const packagesOf = {
  commands: [],
  log: ['msgpackr'],
  projections: ['immer', 're2js'],
  raft: [],
};

module.exports = {
  forbidden: [
    ...Object.entries({
      commands: [],
      log: ['commands'],
      projections: ['commands'],
      raft: [],
    }).map(([folder, friends]) => ({
      name: `${folder}-imports-${friends.join('-and-') || 'nothing'}`,
      comment: `src/${folder} may import ${friends.map((f) => `src/${f}`).join(', ') || 'no other folder'}.`,
      from: { path: `^src/${folder}/` },
      to: { path: '^src/', pathNot: `^src/(${[folder, ...friends].join('|')})/` },
    })),
    ...Object.entries(packagesOf).map(([folder, packages]) => ({
      name: `${folder}-packages`,
      comment: `src/${folder} may import ${packages.join(', ') || 'no npm package'}.`,
      from: { path: `^src/${folder}/` },
      to: {
        path: '(^|/)node_modules/',
        pathNot: `(^|/)node_modules/(${packages.join('|') || '-'})/`,
      },
    })),
    {
      name: 'pure-folders-know-no-node',
      comment: 'commands, log, projections and raft give the same answer everywhere.',
      from: { path: INNER },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'adapters-stand-alone',
      comment: 'An adapter meets the rest of io/ through src/io/ports.ts only.',
      from: {
        path: `^src/io/(${adapters}|http-client)/`,
        pathNot: `^src/io/(${httpClients}|${libraryUsers}|config)/`,
      },
      to: { path: '^src/io/', pathNot: '^src/io/($1/|ports\\.ts$)' },
    },
    {
      name: 'libraries-for-http-and-ui',
      comment: 'http and ui may read recordings; they import no other part of io/ than ports.',
      from: { path: `^src/io/(${libraryUsers})/` },
      to: { path: '^src/io/', pathNot: `^src/io/($1/|(${libraries})/|ports\\.ts$)` },
    },
    {
      name: 'replay-reads-recordings',
      comment:
        'src/io/replay reads a recording; it parses text as config does, and writes nothing.',
      from: { path: '^src/io/replay/' },
      to: {
        path: '^src/io/',
        pathNot:
          '^src/io/(replay/|config/(durations|matcher-text|parsed)\\.ts$|ports\\.ts$' +
          '|disk/(compressor|digest|real-disk|snapshot-readonly|snapshot-root)\\.ts$)',
      },
    },
    {
      name: 'one-http-client',
      comment: 'src/io/http-client is a library over the ports, for the adapters that need it.',
      from: { path: `^src/io/(${httpClients})/` },
      to: {
        path: '^src/io/',
        pathNot: `^src/io/($1/|http-client/|ports\\.ts$)|${schemaWords}`,
      },
    },
    {
      name: 'config-reads-the-registry-of-integrations',
      comment: 'The configuration reader takes the schemas of integrations from their registry.',
      from: { path: '^src/io/config/' },
      to: {
        path: '^src/io/',
        pathNot: '^src/io/(config/|notify/(registry|integration)\\.ts$|ports\\.ts$)',
      },
    },
    {
      name: 'only-notify-uses-the-words-of-schemas',
      comment: 'Monitors take complete settings; schemas of integrations use the words of config/.',
      from: { path: '^src/io/monitors/' },
      to: { path: '^src/io/config/' },
    },
    {
      name: 'schemas-of-integrations-are-data',
      comment: 'A schema.ts is written in the words of config/fields.ts, and does no I/O.',
      from: { path: '^src/io/notify/[^/]+/schema\\.ts$' },
      to: { path: '^src/io/', pathNot: `^src/io/notify/integration\\.ts$|${schemaWords}` },
    },
    {
      name: 'node-knows-ports',
      comment: 'src/io/node joins the inner folders over ports; it names no adapter.',
      from: { path: '^src/io/node/' },
      to: { path: '^src/io/', pathNot: '^src/io/(node/|ports\\.ts$)' },
    },
    {
      name: 'ports-know-the-inner-folders',
      comment: 'src/io/ports.ts is what io/ agrees on, so it imports nothing of io/.',
      from: { path: '^src/io/ports\\.ts$' },
      to: { path: '^src/io/' },
    },
    {
      name: 'sim-brings-its-own-world',
      comment: 'The simulator runs the production node on its own disk, network and clock.',
      from: { path: '^src/io/sim/' },
      to: {
        path: '^src/io/',
        pathNot: '^src/io/(sim/|node/|ports\\.ts$|disk/simulated-disk\\.ts$)',
      },
    },
    {
      name: 'daemon-knows-neither-sim-nor-cli',
      comment: 'The daemon builds a node from ports and adapters.',
      from: { path: '^src/io/daemon/' },
      to: { path: '^src/io/(sim|cli)/' },
    },
    {
      name: 'cli-opens-the-daemon-the-sim-or-a-store',
      comment: 'A subcommand starts a daemon, runs the simulator, or reads a file or a store.',
      from: { path: '^src/io/cli/' },
      to: {
        path: '^src/io/',
        pathNot: '^src/io/(cli|daemon|sim|config|disk|replay)/|^src/io/ports\\.ts$',
      },
    },
    {
      name: 'every-io-folder-has-its-arrows',
      comment: 'A new folder under src/io needs its place in .dependency-cruiser.cjs first.',
      from: {
        path: '^src/io/',
        pathNot: `^src/io/(${adapters}|http-client|${libraries}|node|sim|daemon|cli)/|^src/io/ports\\.ts$`,
      },
      to: {},
    },
    {
      name: 'nothing-imports-cli',
      comment: 'The command line is the outermost ring.',
      from: { path: '^src/', pathNot: '^src/io/cli/' },
      to: { path: '^src/io/cli/' },
    },
    {
      name: 'src-never-imports-test',
      from: { path: '^src/' },
      to: { path: '^(test|bench|scripts)/' },
    },
    ...Object.entries(packageHomes).map(([name, home]) => ({
      name: `home-of-${name}`,
      comment: `Only ${home.replace(/[\^()]/g, '')} may import ${name}.`,
      from: { path: '^src/', pathNot: home },
      to: { path: `(^|/)node_modules/${name}/` },
    })),
    {
      name: 'no-cycles',
      comment: 'A cycle has no reading order.',
      from: { path: '^src/' },
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'no-circular',
      comment: 'Two files that need each other, be it for types, are one file or want a third.',
      from: { path: '^src/', pathNot: '^src/log/' },
      to: { circular: true },
    },
    {
      name: 'no-unresolved',
      comment: 'An import that resolves to nothing would slip through every other rule.',
      from: { path: '^src/' },
      to: { couldNotResolve: true },
    },
    {
      name: 'no-dev-dependency-at-run-time',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'] },
    },
  ].map((rule) => ({ severity: 'error', ...rule })),
  options: {
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
      extensions: ['.ts', '.js', '.mjs', '.cjs', '.json'],
    },
  },
};
