// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// Hands every call to the code whose address stands in the ERC-1967 slot.
contract Proxy {
    bytes32 private constant SLOT = bytes32(uint256(keccak256("eip1967.proxy.implementation")) - 1);

    constructor(address implementation, bytes memory init) payable {
        bytes32 slot = SLOT;
        assembly {
            sstore(slot, implementation)
        }
        (bool ok,) = implementation.delegatecall(init);
        require(ok, "initialization failed");
    }

    fallback() external payable {
        bytes32 slot = SLOT;
        assembly {
            calldatacopy(0, 0, calldatasize())
            let ok := delegatecall(gas(), sload(slot), 0, calldatasize(), 0, 0)
            returndatacopy(0, 0, returndatasize())
            switch ok
            case 0 { revert(0, returndatasize()) }
            default { return(0, returndatasize()) }
        }
    }
}
