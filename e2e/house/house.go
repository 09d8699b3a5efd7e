// Package house keeps the rules of docs/architecture.md: who may import whom, which SQL is portable, who writes which
// table. The rules are its tests.
package house
