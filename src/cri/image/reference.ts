/**
 * The full name of an image as registries and containerd know it: `web` is `docker.io/library/web:latest`,
 * `ghcr.io/team/web@sha256:...` stays as it is. The first part is a registry's host when it has a dot or a colon or is `localhost`.
 */
export function normaliseImageName(name: string): string {
  const slash = name.indexOf('/')
  const first = slash < 0 ? '' : name.slice(0, slash)
  const hasHost = /[.:]/.test(first) || first === 'localhost'
  let full = name
  if (!hasHost) full = slash < 0 ? `docker.io/library/${name}` : `docker.io/${name}`
  else if (first === 'index.docker.io') full = `docker.io/${name.slice(slash + 1)}`
  if (full.startsWith('docker.io/') && !full.slice('docker.io/'.length).includes('/')) {
    full = `docker.io/library/${full.slice('docker.io/'.length)}`
  }
  if (full.includes('@')) return full
  return full.lastIndexOf(':') > full.lastIndexOf('/') ? full : `${full}:latest`
}
