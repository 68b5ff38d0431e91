// The parts of Babel 7 that the build uses. The package ships no types.
declare module '@babel/core' {
  export interface Node {
    readonly type: string
  }
  export interface MemberExpression extends Node {
    readonly computed: boolean
    readonly object: Node
    readonly property: Node & { readonly name?: string }
  }
  export interface CallExpression extends Node {
    callee: Node | MemberExpression
    arguments: Node[]
  }
  export interface NodePath<N extends Node = Node> {
    readonly node: N
    readonly scope: { hasGlobal(name: string): boolean }
    buildCodeFrameError(message: string): Error
  }
  export interface BabelPlugin {
    readonly visitor: {
      readonly Program?: { exit(path: NodePath): void }
      readonly CallExpression?: (path: NodePath<CallExpression>) => void
      readonly MemberExpression?: (path: NodePath<MemberExpression>) => void
    }
  }
  export const types: { identifier(name: string): Node }
  export function transformAsync(
    code: string,
    options: Readonly<Record<string, unknown>>,
  ): Promise<{ readonly code: string } | null>
}
