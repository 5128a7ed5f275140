# shellcheck shell=bash
# Everything in this directory, for scripts and for the tests' run scripts:
#     . "$(dirname "$0")/../../scripts/lib/all.sh"

hgpu_lib=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=common.sh
. "$hgpu_lib/common.sh"
# shellcheck source=progress.sh
. "$hgpu_lib/progress.sh"
# shellcheck source=parallel.sh
. "$hgpu_lib/parallel.sh"
# shellcheck source=versions.sh
. "$hgpu_lib/versions.sh"
# shellcheck source=packages.sh
. "$hgpu_lib/packages.sh"
# shellcheck source=sources.sh
. "$hgpu_lib/sources.sh"
# shellcheck source=qemu.sh
. "$hgpu_lib/qemu.sh"
# shellcheck source=kernel.sh
. "$hgpu_lib/kernel.sh"
# shellcheck source=module.sh
. "$hgpu_lib/module.sh"
# shellcheck source=guest.sh
. "$hgpu_lib/guest.sh"
# shellcheck source=accel.sh
. "$hgpu_lib/accel.sh"
# shellcheck source=host.sh
. "$hgpu_lib/host.sh"
# shellcheck source=virgl.sh
. "$hgpu_lib/virgl.sh"
# shellcheck source=kfdtest.sh
. "$hgpu_lib/kfdtest.sh"
