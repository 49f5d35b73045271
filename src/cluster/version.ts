/** The Kubernetes version that this project implements: what /version, nodes and `ownkube status` say. */
export const kubernetesVersion = 'v1.37.0-ownkube'
