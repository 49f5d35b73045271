const linkAttributes =
  /(<(?:a|applet|area|base|blockquote|body|del|embed|form|frame|iframe|img|input|ins|link|object|q|script|source|video)\b[^>]*?\s(?:href|src|action|cite|data|background|longdesc|poster|formaction)\s*=\s*)(["'])([^"']*)\2/gi

/** HTML from behind the proxy, whose links to its own root lead back through the proxy. `prefix`: the path up to `/proxy`. */
export function withLinksThroughProxy(html: string, prefix: string): string {
  return html.replace(linkAttributes, (whole, before: string, quote: string, link: string) => {
    return link.startsWith('/') && !link.startsWith('//') && !link.startsWith(prefix) ? `${before}${quote}${prefix}${link}${quote}` : whole
  })
}

/** A redirect to the target's own address, or to a path of it, as one that leads through the proxy; others stay. */
export function locationThroughProxy(location: string, target: { scheme: string; host: string; port: number }, prefix: string): string {
  const base = `${target.scheme}://${target.host.includes(':') ? `[${target.host}]` : target.host}:${target.port}`
  const url = URL.parse(location, `${base}/`)
  if (!url || url.origin !== new URL(base).origin) return location
  if (!location.startsWith('/') && !/^[a-z]+:\/\//i.test(location)) return location // relative: it is so already
  return `${prefix}${url.pathname}${url.search}${url.hash}`
}
