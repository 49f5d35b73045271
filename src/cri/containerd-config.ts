/** What our own containerd is told; paths are absolute. */
export interface ContainerdSettings {
  dataDir: string
  runDir: string
  socket: string
  sandboxImage: string
  cniBinDir: string
  cniConfDir: string
  snapshotter: 'overlayfs' | 'native'
}

/** Plugins that we have no use for: each costs start time, some a warning. Snapshotters for file systems that we don't use, old services. */
const disabledPlugins = [
  ...['aufs', 'btrfs', 'devmapper', 'zfs', 'blockfile', 'erofs'].map((name) => `io.containerd.snapshotter.v1.${name}`),
  'io.containerd.internal.v1.opt',
  'io.containerd.internal.v1.restart',
]

/** TOML's basic strings are JSON's, as far as paths and names go. */
const quoted = (text: string): string => JSON.stringify(text)

/**
 * config.toml of version 2, which containerd 1.6 and 1.7 read and 2.x migrates by itself
 * (https://github.com/containerd/containerd/blob/main/docs/cri/config.md).
 */
export function renderContainerdConfig(settings: ContainerdSettings): string {
  const { dataDir, runDir, socket, sandboxImage, cniBinDir, cniConfDir, snapshotter } = settings
  return `# Written by ownkube at every start: changes are lost.
version = 2
root = ${quoted(`${dataDir}/root`)}
state = ${quoted(`${runDir}/state`)}
disabled_plugins = [${disabledPlugins.map(quoted).join(', ')}]

[grpc]
  address = ${quoted(socket)}

[debug]
  level = "warn"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = ${quoted(sandboxImage)}
  # A container may be given no better score than its parent has, unless CAP_SYS_RESOURCE is there.
  restrict_oom_score_adj = true
  tolerate_missing_hugetlb_controller = true
  # Network namespaces of pods beneath our own state folder, not in /var/run/netns.
  netns_mounts_under_state_dir = true
  # Ports below 1024 and ping need no capability in a pod's own network namespace.
  enable_unprivileged_ports = true
  enable_unprivileged_icmp = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  max_container_log_line_size = 16384

  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = ${quoted(cniBinDir)}
    conf_dir = ${quoted(cniConfDir)}
    max_conf_num = 1

  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = ${quoted(snapshotter)}
    default_runtime_name = "runc"

    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"

      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        Root = ${quoted(`${runDir}/runc`)}
        SystemdCgroup = false

  [plugins."io.containerd.grpc.v1.cri".registry]
    # hosts.toml files, one folder a registry: https://github.com/containerd/containerd/blob/main/docs/hosts.md
    config_path = ${quoted(`${dataDir}/registries`)}

# 2.x listens for node plugins in /var/run/nri unless told not to: that place is the host's.
[plugins."io.containerd.nri.v1.nri"]
  disable = true
`
}

/** The snapshotter that a configuration of ours names: images lie in it, so that it must not change. */
export function snapshotterIn(config: string): 'overlayfs' | 'native' | undefined {
  const found = /^\s*snapshotter = "(overlayfs|native)"$/m.exec(config)
  return found?.[1] as 'overlayfs' | 'native' | undefined
}
