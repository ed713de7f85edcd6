package process

func enterWorld() {}
