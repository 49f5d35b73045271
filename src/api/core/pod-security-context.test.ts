import { describe, expect, test } from 'vitest'
import { type ContainerCase, containerFaults, podFaults, type SpecCase } from '../testing/pod-cases.ts'

const noUser = 'must be between 0 and 2147483647, inclusive'

describe('a container’s security context', () => {
  test.each<ContainerCase>([
    [
      'of a user beyond the last',
      { securityContext: { runAsUser: 2 ** 31 } },
      [`securityContext.runAsUser: Invalid value: 2147483648: ${noUser}`],
    ],
    [
      'with the whole of /proc',
      { securityContext: { procMount: 'Unmasked' } },
      ['securityContext.procMount: Invalid value: "Unmasked": `hostUsers` must be false to use `Unmasked`'],
    ],
    [
      'with a profile of no file',
      { securityContext: { seccompProfile: { type: 'Localhost' } } },
      ['securityContext.seccompProfile.localhostProfile: Required value: must be set when seccomp type is Localhost'],
    ],
    [
      'with a file for a profile without',
      { securityContext: { seccompProfile: { type: 'Unconfined', localhostProfile: 'a' } } },
      [
        'securityContext.seccompProfile.localhostProfile: Invalid value: {"type":"Unconfined","localhostProfile":"a"}: can only be set when seccomp type is Localhost',
      ],
    ],
    [
      'with a profile of blanks',
      { securityContext: { appArmorProfile: { type: 'Localhost', localhostProfile: ' a' } } },
      ['securityContext.appArmorProfile.localhostProfile: Invalid value: " a": must not be padded with whitespace'],
    ],
    [
      'of Windows',
      { securityContext: { windowsOptions: { runAsUserName: 'a\\b\\c' } } },
      ['securityContext.windowsOptions.runAsUserName: Invalid value: "a\\\\b\\\\c": runAsUserName cannot contain more than one backslash'],
    ],
  ])('%s', (_, container, faults = []) => expect(containerFaults(container)).toEqual(faults))
})

describe('a pod’s security', () => {
  test.each<SpecCase>([
    [
      'with settings of the host’s network',
      { hostNetwork: true, securityContext: { sysctls: [{ name: 'net.core.somaxconn', value: '1' }] } },
      ['spec.securityContext.sysctls[0].name: Invalid value: "net.core.somaxconn": may not be specified when \'hostNetwork\' is true'],
    ],
    [
      'with settings that are none',
      { securityContext: { sysctls: [{ name: 'a..b', value: '1' }] } },
      [
        'spec.securityContext.sysctls[0].name: Invalid value: "a..b": must have at most 253 characters and match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$',
      ],
    ],
    [
      'with unknown ways',
      { securityContext: { fsGroupChangePolicy: 'Never', supplementalGroupsPolicy: 'Some', seLinuxChangePolicy: 'X' } },
      [
        'spec.securityContext.fsGroupChangePolicy: Unsupported value: "Never": supported values: "Always", "OnRootMismatch"',
        'spec.securityContext.supplementalGroupsPolicy: Unsupported value: "Some": supported values: "Merge", "Strict"',
        'spec.securityContext.seLinuxChangePolicy: Unsupported value: "X": supported values: "MountOption", "Recursive"',
      ],
    ],
    [
      'with users of its own, and the host’s processes',
      { hostUsers: false, hostPID: true },
      ['spec.HostPID: Forbidden: when `hostUsers` is false'],
    ],
    [
      'of Windows, on Linux',
      { os: { name: 'linux' }, securityContext: { windowsOptions: { runAsUserName: 'a' } } },
      ['spec.securityContext.windowsOptions: Forbidden: windows options cannot be set for a linux pod'],
    ],
    [
      'of Linux, on Windows',
      { os: { name: 'windows' }, hostPID: true, securityContext: { runAsUser: 1 } },
      [
        'spec.securityContext.runAsUser: Forbidden: cannot be set for a windows pod',
        'spec.hostPID: Forbidden: cannot be set for a windows pod',
      ],
    ],
    ['on an unknown system', { os: { name: 'plan9' } }, ['spec.os: Unsupported value: "plan9": supported values: "linux", "windows"']],
    [
      'with processes of the host',
      { securityContext: { windowsOptions: { hostProcess: true } } },
      ['spec.hostNetwork: Invalid value: false: hostNetwork must be true if pod contains any hostProcess containers'],
    ],
  ])('%s', (_, spec, faults = []) => expect(podFaults(spec)).toEqual(faults))

  test.each<[string, Record<string, string>, string[]]>([
    [
      'of a container that is not there',
      { 'container.apparmor.security.beta.kubernetes.io/x': 'runtime/default' },
      ['metadata.annotations[container.apparmor.security.beta.kubernetes.io/x]: Invalid value: "x": container not found'],
    ],
    [
      'of an unknown profile',
      { 'seccomp.security.alpha.kubernetes.io/pod': 'strict' },
      [
        'metadata.annotations.seccomp.security.alpha.kubernetes.io/pod: Invalid value: "strict": must be a valid seccomp profile',
        'spec.securityContext.seccompProfile.type: Forbidden: seccomp type in annotation and field must match',
      ],
    ],
    [
      'against the field',
      { 'seccomp.security.alpha.kubernetes.io/pod': 'unconfined' },
      ['spec.securityContext.seccompProfile.type: Forbidden: seccomp type in annotation and field must match'],
    ],
    [
      'of a cost that is none',
      { 'controller.kubernetes.io/pod-deletion-cost': '+1' },
      ['metadata.annotations[controller.kubernetes.io/pod-deletion-cost]: Invalid value: "+1": must be a 32bit integer'],
    ],
  ])('by annotation, %s', (_, annotations, faults) => {
    expect(podFaults({ securityContext: { seccompProfile: { type: 'RuntimeDefault' } } }, { annotations })).toEqual(faults)
  })
})
