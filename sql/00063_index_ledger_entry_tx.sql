-- +goose Up
CREATE INDEX ledger_entry_tx ON ledger_entry (tx_id, amount_fen);
