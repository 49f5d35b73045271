const escapes: Readonly<Record<string, string>> = { __underscores__: '__', __dot__: '.', __dash__: '-', __slash__: '/' }

/** Which fields a name in an expression may mean: itself, or what it says of a name that is no identifier (`__dash__`, `__namespace__`). */
export function unescapedNames(name: string): readonly string[] {
  if (!name.includes('__')) return [name]
  const reserved = /^__([a-z]+)__$/.exec(name)?.[1]
  if (reserved !== undefined && !(name in escapes)) return [name, reserved]
  return [name, name.replace(/__(?:underscores|dot|dash|slash)__/g, (escaped) => escapes[escaped] as string)]
}
