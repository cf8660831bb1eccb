package unpack

import (
	"archive/tar"
	"testing"
)

func BenchmarkOpenDeb(b *testing.B) {
	control := unixPacked(b, unixTar(b, tar.Header{Name: "./control", Uname: "x"}), "xz")
	data := unixPacked(b, unixTar(b, tar.Header{Name: "./usr/bin/x", Uname: unixWords(8 << 20)}), "zst")
	unixBenchmark(b, "x.deb", []byte("!<arch>\n"+arMemberOf("debian-binary", "2.0\n")+arMemberOf("control.tar.xz", string(control))+arMemberOf("data.tar.zst", string(data))))
}

func BenchmarkTarXz(b *testing.B) {
	unixBenchmark(b, "x.tar.xz", unixPacked(b, unixTar(b, tar.Header{Name: "x", Uname: unixWords(8 << 20)}), "xz"))
}
