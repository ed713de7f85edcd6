package config

func (l *loader) lint(c *Config, found []*process) {}
