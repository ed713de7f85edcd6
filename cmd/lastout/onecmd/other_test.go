//go:build !amd64 && !arm64

package onecmd

func unignore() {}
