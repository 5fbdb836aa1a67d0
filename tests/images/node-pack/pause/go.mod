module landfall.dev/node-pack/pause

go 1.26
