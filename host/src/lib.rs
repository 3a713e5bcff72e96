//! A GPU execution engine for Ethereum transactions.
