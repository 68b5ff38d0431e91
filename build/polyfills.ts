import { createRequire } from 'node:module'
import { type BabelPlugin, type MemberExpression, type Node, transformAsync, types } from '@babel/core'
import type { Plugin } from 'vite'
import { coreJsParts } from './core-js-parts.ts'
import { pathOf } from './paths.ts'

const require = createRequire(import.meta.url)

/** The engines of WeChat's base library 2.20.2. */
const targets = { chrome: '66', ios: '11' }
const lackedBy = "which engines of WeChat's base library 2.20.2 lack"

/**
 * The polyfills from core-js, which never change a global. This is a list, so that the use of any other polyfill fails the
 * build and needs a decision: one polyfill can be larger than the broker.
 */
const added = new Set([
  'es.array.at',
  'es.array.flat',
  'es.array.flat-map',
  'es.global-this',
  'es.object.from-entries',
  'es.object.has-own',
  'es.string.at-alternative',
  'web.queue-microtask',
])

/**
 * Polyfills that these engines lack and lingpai does not need: rare faults, and parts that it does not use. `Promise` stays
 * the platform's, which WeChat replaces if necessary.
 */
const left = [
  /^es\.array\.(concat|copy-within|fill|from|includes|index-of|iterator|join|of|push|reduce|reverse|slice|sort|splice)/,
  /^es\.(array-buffer|data-view|date|error|iterator|json|map|number|parse|promise|reflect|regexp|set|symbol|typed-array|weak)/,
  /^es\.object\.(get-own-property-names|to-string)/,
  /^es\.string\.(includes|iterator|replace|search|split|match|trim)$/,
  /^web\.(dom-collections|timers|url|url-search-params)/,
  /^esnext\./,
]

/** Methods that these engines lack and the build does not add. The type of the object is unknown, so the name decides. */
const refused =
  /^(allSettled|any|withResolvers|replaceAll|matchAll|trimStart|trimEnd|findLast|findLastIndex|to(Sorted|Reversed|Spliced))$/

/** Our modules for features that neither these engines nor core-js have. */
const modules = {
  AbortController: pathOf('src/protocol/abort-controller.ts'),
  // core-js has it too, but as large as all other polyfills together.
  URL: pathOf('src/protocol/strict-url.ts'),
  settle: pathOf('build/settle.ts'),
}

/** Adds imports of missing features, from core-js-pure and from our modules. Does not change globals. */
export const polyfills: Plugin = {
  name: 'polyfills',
  // Runs after the types are removed.
  enforce: 'post',

  resolveId(source) {
    if (!source.startsWith('core-js-pure/')) return undefined
    return { id: require.resolve(source), moduleSideEffects: false }
  },

  async transform(code, id) {
    const part = coreJsParts.get(/\/core-js-pure\/internals\/([\w-]+)\.js$/.exec(id)?.[1] ?? '')
    if (part !== undefined) return { code: part, map: null }
    if (id.includes('/core-js-pure/') || id.startsWith('\0')) return undefined
    const needed = new Set<keyof typeof modules>()
    const transformed = await transformAsync(code, {
      filename: id,
      babelrc: false,
      configFile: false,
      sourceType: 'module',
      compact: false,
      targets,
      plugins: [
        ['babel-plugin-polyfill-corejs3', { method: 'usage-pure', version: '3.51', shouldInjectPolyfill: isAdded }],
        () => replaceFinally(() => needed.add('settle')),
        () => refuseMethods,
        ...(['AbortController', 'URL'] as const).map((name) => () => findGlobal(name, () => needed.add(name))),
      ],
    })
    if (transformed === null) return undefined
    const imports = Array.from(needed, (name) => `import { ${name} } from ${JSON.stringify(modules[name])};\n`)
    return { code: imports.join('') + transformed.code, map: null }
  },
}

function isAdded(name: string, isMissing: boolean): boolean {
  // WeChat has no web classes in any engine, so the version of the engine does not matter for those.
  if (added.has(name)) return isMissing || name.startsWith('web.')
  if (!isMissing || left.some((pattern) => pattern.test(name))) return false
  throw new Error(`This needs ${name}, ${lackedBy}. Add it in build/polyfills.ts, or do without.`)
}

/** Promises of iOS 11.0 lack `finally`, and core-js has it only in its own `Promise`. */
function replaceFinally(onFound: () => void): BabelPlugin {
  return {
    visitor: {
      CallExpression({ node }) {
        if (!isMember(node.callee) || nameOf(node.callee) !== 'finally') return
        node.arguments.unshift(node.callee.object)
        node.callee = types.identifier('settle')
        onFound()
      },
    },
  }
}

const refuseMethods: BabelPlugin = {
  visitor: {
    MemberExpression(path) {
      const name = nameOf(path.node)
      if (name !== undefined && refused.test(name))
        throw path.buildCodeFrameError(`This needs .${name}, ${lackedBy}. Do without.`)
    },
  },
}

function findGlobal(name: string, onFound: () => void): BabelPlugin {
  return {
    visitor: {
      Program: {
        exit(path) {
          if (path.scope.hasGlobal(name)) onFound()
        },
      },
    },
  }
}

function isMember(node: Node): node is MemberExpression {
  return node.type === 'MemberExpression'
}

function nameOf({ computed, property }: MemberExpression): string | undefined {
  return computed ? undefined : property.name
}
