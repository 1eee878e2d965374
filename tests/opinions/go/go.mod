module opinions

go 1.19
