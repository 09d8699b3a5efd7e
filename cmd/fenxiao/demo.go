package main

import "context"

func runDemo(context.Context, *call) error { return errUsage }
