#!/usr/bin/env bash
# Part of try_packages.sh: the Kubernetes manifests.
# shellcheck disable=SC2034,SC2154 # variables that try_packages.sh and its other parts set or use
set -euo pipefail

kubernetes_packages=(kubernetes-client python3-venv)

try_kubernetes() {
    local folder=$trial/kubernetes validator validator_version=1.37.0 kind version
    mkdir -p -- "$folder"
    validator=$(target_folder)/kubernetes-validate
    if [[ ! -x $validator/bin/kubernetes-validate ]]; then
        python3 -m venv --clear "$validator"
        "$validator/bin/pip" install -q "kubernetes-validate==$validator_version" ||
            fail "pip could not install kubernetes-validate; its messages are above"
    fi
    for kind in single sharded; do
        expect "$kind: kustomize builds it" \
            kubectl kustomize --output "$folder/$kind.yaml" "$top/packaging/kubernetes/$kind"
        for version in 1.31 1.33 1.37; do
            expect "$kind: valid for Kubernetes $version" \
                "$validator/bin/kubernetes-validate" --strict --kubernetes-version "$version" "$folder/$kind.yaml"
        done
    done
}
