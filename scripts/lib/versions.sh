# shellcheck shell=bash
# What is built, and from where. A new series is a change here and a run of the tests.

DEBIAN_RELEASE=bookworm		# the release that the scripts run on
QEMU_SERIES=10.0		# from the source package of ...
QEMU_SUITE=trixie		# ... this suite of the same archive
MESON_SUITE=$DEBIAN_RELEASE-backports	# QEMU 10 wants meson >= 1.5
KERNEL_SERIES=6.12		# package linux-source-6.12
THUNK_SERIES=6.2		# libhsakmt and kfdtest, from the source package roct-thunk-interface of ...
THUNK_SUITE=trixie		# ... this suite of the same archive

QEMU_CONFIGURE=(
	--python=/usr/bin/python3	# the one that sees Debian's meson; another may be first in PATH
	--target-list=x86_64-softmmu
	--without-default-features --enable-system --enable-tcg --enable-kvm
	--enable-virtfs --enable-attr --enable-slirp --enable-virglrenderer --enable-opengl
	--enable-trace-backends=log --disable-docs --disable-install-blobs --disable-download
)
