/**
 * A world with nothing in it but the language: where the four pure folders must be able to live.
 *
 * Promise: code in it reaches no clock, timer, chance, locale table, process or module of Node; what
 * the language itself brings along of these throws `Refused` when it is used. TextEncoder and
 * TextDecoder are there, because UTF-8 is the same on every machine.
 * It proves nothing about code that is loaded and never called; the lint rule pure/no-world does.
 */

import { readFileSync } from 'node:fs';
import path from 'node:path';
import vm from 'node:vm';
import ts from 'typescript';

/** What code outside the bare world sees of a module inside it. */
export type Namespace = Record<string, unknown>;

export interface BareWorld {
  /** Loads a .ts file with all it imports, and runs it. Rejects with what it threw. */
  load(file: string): Promise<Namespace>;
  /** Runs a snippet as a script and returns its value. Throws what the snippet throws. */
  run(snippet: string): unknown;
}

interface Package {
  /** The build of the package for a place without Node. */
  readonly file: string;
  /** What it needs besides the language; only this package can see it. */
  readonly prelude?: string;
}

const NODE_MODULES = path.resolve(import.meta.dirname, '../../node_modules');

/** The npm packages that pure folders may import. */
const PACKAGES: Readonly<Record<string, Package>> = {
  immer: {
    file: 'immer/dist/immer.mjs',
    // Its only ESM build asks whether to explain its errors or to number them.
    prelude: "const process = { env: { NODE_ENV: 'test' } };",
  },
  'msgpackr/pack': {
    file: 'msgpackr/index.js',
    // It registers Date as an extension type when it loads, and asks whether there is a Buffer. We
    // store neither.
    prelude: 'class Date {} const Buffer = undefined;',
  },
  re2js: { file: 're2js/build/index.js' },
};

export async function createBareWorld(): Promise<BareWorld> {
  const context = vm.createContext(
    { hostEncoder: new TextEncoder(), hostDecoder: new TextDecoder('utf-8', { fatal: false }) },
    { codeGeneration: { strings: false, wasm: false } },
  );
  vm.runInContext(CLOSE_THE_WORLD, context, { filename: 'close-the-world.js' });
  const linker = new Linker(context);
  return {
    load: async (file) => linker.load(path.resolve(file)),
    run: (snippet) => vm.runInContext(snippet, context, { filename: 'snippet.js' }),
  };
}

/** Compiles and links ES modules into one context, each file once. */
class Linker {
  readonly #context: vm.Context;
  readonly #modules = new Map<string, vm.SourceTextModule>();

  constructor(context: vm.Context) {
    this.#context = context;
  }

  async load(file: string): Promise<Namespace> {
    const module = this.#moduleAt(file);
    if (module.status === 'unlinked') {
      await module.link((specifier, importer) => this.#resolve(specifier, importer.identifier));
    }
    await module.evaluate();
    return module.namespace as Namespace;
  }

  #resolve(specifier: string, importer: string): vm.SourceTextModule {
    if (specifier.startsWith('.')) {
      return this.#moduleAt(path.resolve(path.dirname(importer), specifier));
    }
    const known = PACKAGES[specifier];
    if (known === undefined)
      throw new Error(`${importer} imports '${specifier}', which is not pure`);
    return this.#moduleAt(path.join(NODE_MODULES, known.file));
  }

  #moduleAt(file: string): vm.SourceTextModule {
    const seen = this.#modules.get(file);
    if (seen !== undefined) return seen;
    const source = readFileSync(file, 'utf8');
    // On the first line, so that the line numbers of a stack stay true.
    const code = preludeOf(file) + (file.endsWith('.ts') ? strip(source) : source);
    const module = new vm.SourceTextModule(code, { identifier: file, context: this.#context });
    this.#modules.set(file, module);
    return module;
  }
}

/** The prelude of the package that a file belongs to. */
function preludeOf(file: string): string {
  const owner = Object.values(PACKAGES).find((known) =>
    file.startsWith(path.join(NODE_MODULES, path.dirname(known.file))),
  );
  return owner?.prelude ?? '';
}

/** Takes the types off; what only served as a type is no import any more. */
function strip(source: string): string {
  const { outputText } = ts.transpileModule(source, {
    compilerOptions: {
      target: ts.ScriptTarget.ES2023,
      module: ts.ModuleKind.ESNext,
      verbatimModuleSyntax: true,
    },
  });
  return outputText;
}

/**
 * Runs inside the new context. Names that the language does not have (process, setTimeout, fetch …)
 * throw by being absent; they are named here all the same, so that `typeof` finds no way around.
 */
const CLOSE_THE_WORLD = `
'use strict';
{
  class Refused extends Error {
    name = 'Refused';
  }
  const refuse = (name) => () => {
    throw new Refused(name + ' is not for a pure folder');
  };
  const refusing = (name) => {
    const no = refuse(name);
    return new Proxy(function () {}, { get: no, set: no, has: no, apply: no, construct: no });
  };
  const close = (holder, names) => {
    for (const name of names.split(' ')) {
      const value = refusing(name);
      Object.defineProperty(holder, name, { value, configurable: false, writable: false });
    }
  };

  const { hostEncoder, hostDecoder } = globalThis;
  delete globalThis.hostEncoder;
  delete globalThis.hostDecoder;
  // The host's bytes are of another realm, where they are no Uint8Array of ours: copy them in.
  globalThis.TextEncoder = class TextEncoder {
    encode(text = '') {
      return new Uint8Array(hostEncoder.encode(text));
    }
    encodeInto(text, target) {
      return { ...hostEncoder.encodeInto(text, target) };
    }
  };
  globalThis.TextDecoder = class TextDecoder {
    decode(bytes) {
      return hostDecoder.decode(bytes);
    }
  };

  close(globalThis, 'Date performance Intl process Buffer console crypto fetch require');
  close(globalThis, 'setTimeout setInterval setImmediate queueMicrotask WebAssembly');
  close(globalThis, 'WeakRef FinalizationRegistry SharedArrayBuffer Atomics');
  close(Math, 'random sin cos tan asin acos atan atan2 sinh cosh tanh asinh acosh atanh');
  close(Math, 'exp expm1 log log2 log10 log1p pow cbrt hypot');
  close(String.prototype, 'localeCompare normalize toLocaleLowerCase toLocaleUpperCase');
  for (const { prototype } of [Object, Number, BigInt, Array]) close(prototype, 'toLocaleString');
}
`;
