// Lists an archive with Go's archive/tar: mode, owner, group, size and name of each file. "-" is standard input.
package main

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
)

func list(input io.Reader) error {
	reader := tar.NewReader(input)
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		fmt.Println(header.FileInfo().Mode(), header.Uid, header.Gid, header.Size, header.Name)
	}
}

func main() {
	input := os.Stdin
	if os.Args[1] != "-" {
		file, err := os.Open(os.Args[1])
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		input = file
	}
	if err := list(input); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
